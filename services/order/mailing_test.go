package order

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/failpoint"
)

// postbox is a mail server that keeps what it takes.
type postbox struct {
	addr string

	mu     sync.Mutex
	taken  [][]byte
	refuse func(to string) error // nil: nobody is refused
	logins []string
}

// postOffice opens a postbox, which the test may change before it serves.
func postOffice(t *testing.T, change ...func(*smtp.Server)) *postbox {
	t.Helper()
	box := &postbox{}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box.addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &visit{box}, nil }))
	server.Domain, server.ErrorLog = "localhost", quiet{}
	for _, c := range change {
		c(server)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return box
}

// quiet is for conversations that are meant to break.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// visit is one conversation with a postbox.
type visit struct{ box *postbox }

func (v *visit) Mail(string, *smtp.MailOptions) error { return nil }
func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.box.mu.Lock()
	defer v.box.mu.Unlock()
	if v.box.refuse == nil {
		return nil
	}
	return v.box.refuse(to)
}
func (v *visit) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	v.box.mu.Lock()
	defer v.box.mu.Unlock()
	v.box.taken = append(v.box.taken, message)
	return err
}
func (v *visit) Reset()                   {}
func (v *visit) Logout() error            { return nil }
func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }
func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		v.box.mu.Lock()
		defer v.box.mu.Unlock()
		v.box.logins = append(v.box.logins, user+":"+password)
		return nil
	}), nil
}

func (b *postbox) messages() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}

func (b *postbox) refusing(refuse func(to string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = refuse
}

// of are the Message-IDs of what was taken, without what they have in common.
func (b *postbox) of(t *testing.T) (ids []string) {
	t.Helper()
	for _, raw := range b.messages() {
		id := parsed(t, raw).Header.Get("Message-Id")
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(id, "<"), "@shop.example>"))
	}
	return ids
}

func parsed(t *testing.T, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sender sends what is in the database to the postbox.
func sender(pool *pgxpool.Pool, addr string) mailing {
	return newMailing(pool, post{addr: addr, from: "orders@shop.example"}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func runOnce(t *testing.T, m mailing) {
	t.Helper()
	if err := m.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// mailed places an order for somebody who wants mails.
func mailed(t *testing.T, pool *pgxpool.Pool, contacts ...string) (ids []string) {
	t.Helper()
	var all []placement
	for _, contact := range contacts {
		command := twoWidgets
		command.Contact, command.ShipTo.Name = contact, "Ada Lövelace"
		all = append(all, request(t, newID(t), command))
	}
	results, err := intake{tx: in(pool), deadline: time.Hour, mails: true}.commit(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.err != nil {
			t.Fatal(r.err)
		}
	}
	return idsOf(all)
}

// due lets every mail's pause, or lease, be over.
func due(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	exec(t, pool, `UPDATE mail SET next_attempt_at = now()`)
}

const ada = "ada@customers.example"

func TestAnOrderIsToldToItsCustomerOnce(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	id := mailed(t, pool, ada)[0]
	m := sender(pool, box.addr)
	for range 3 {
		runOnce(t, m)
		due(t, pool)
	}
	same(t, "mails", box.of(t), []string{id + ".received"})
	message := parsed(t, box.messages()[0])
	for name, want := range map[string]string{
		"From": "orders@shop.example", "To": ada, "Subject": "We have received your order", "Auto-Submitted": "auto-generated",
		"In-Reply-To": "",
	} {
		same(t, name, message.Header.Get(name), want)
	}
	if _, err := message.Header.Date(); err != nil {
		t.Error(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Dear Ada Lövelace", id, "2 × widget", "39.98 USD"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the mail lacks %q: %s", want, body)
		}
	}
}

func TestACancelIsASecondMailThatFollowsTheFirst(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	ids := mailed(t, pool, ada, ada)
	m := sender(pool, box.addr)
	// The first order ends before anything was sent, the second one after it.
	deliver(t, pool, rejected(ids[0]), rejected(ids[0]))
	exec(t, pool, `UPDATE mail SET next_attempt_at = now() - interval '1 h' WHERE kind = 'cancelled'`)
	runOnce(t, m)
	deliver(t, pool, released(ids[1], "card_declined"))
	runOnce(t, m)
	runOnce(t, m)
	got := box.of(t)
	same(t, "how many mails", len(got), 4)
	for i, id := range ids {
		first, second := -1, -1
		for n, mail := range got {
			switch mail {
			case id + ".received":
				first = n
			case id + ".cancelled":
				second = n
			}
		}
		if first < 0 || second < first {
			t.Errorf("order %d: its mails are %v", i, got)
			continue
		}
		same(t, "what it answers", parsed(t, box.messages()[second]).Header.Get("In-Reply-To"), "<"+id+".received@shop.example>")
	}
	same(t, "mails of a confirmed order", count(t, pool, `SELECT count(*) FROM mail`), 4)
}

func TestNobodyIsToldWhoDoesNotWantToBe(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	without := mailed(t, pool, "")[0]
	command := twoWidgets
	command.Contact = ada
	noServer := request(t, newID(t), command)
	if _, err := (intake{tx: in(pool), deadline: time.Hour}).commit(t.Context(), []placement{noServer}); err != nil {
		t.Fatal(err)
	}
	confirmed := mailed(t, pool, ada)[0]
	deliver(t, pool, rejected(without), rejected(noServer.id), shipment(confirmed))
	same(t, "mails", texts(t, pool, `SELECT order_id || '.' || kind FROM mail`), []string{confirmed + ".received"})
}

func TestACrashBetweenSendingAndMarkingSendsTheSameMailAgain(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	id := mailed(t, pool, ada)[0]
	m := sender(pool, box.addr)
	m.faults = failpoint.NewSet()
	arm(t, m.faults, failpoint.MailSent)
	runOnce(t, m)
	due(t, pool)
	runOnce(t, m)
	same(t, "mails", box.of(t), []string{id + ".received", id + ".received"})
	same(t, "the second one", string(box.messages()[1]), string(box.messages()[0]))
}

func TestAFaultBeforeSendingSendsLater(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	ids := mailed(t, pool, ada, ada)
	m := sender(pool, box.addr)
	m.faults = failpoint.NewSet()
	arm(t, m.faults, failpoint.MailBeforeSend)
	runOnce(t, m)
	same(t, "how many mails", len(box.of(t)), 1)
	same(t, "attempts", count(t, pool, `SELECT sum(attempts) FROM mail`), 2)
	due(t, pool)
	runOnce(t, m)
	same(t, "how many mails after the next round", len(box.of(t)), len(ids))
}

func TestWhereNoServerAnswersTheMailsWait(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	mailed(t, pool, ada, ada, ada)
	nobody := sender(pool, "127.0.0.1:1")
	for range 2 {
		if err := nobody.runOnce(t.Context()); err == nil {
			t.Error("nobody answered, and nothing was wrong")
		}
		if err := nobody.runOnce(t.Context()); err != nil { // nothing is due before the pause is over
			t.Error(err)
		}
		due(t, pool)
	}
	same(t, "what stands with them", texts(t, pool, `SELECT DISTINCT attempts || ' ' || problem FROM mail`), []string{"2 the mail server cannot be reached"})
	exec(t, pool, `UPDATE mail SET created_at = now() - interval '1 h'`)
	if err := nobody.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "unsent", testutil.ToFloat64(nobody.unsent), 3)
	if old := testutil.ToFloat64(nobody.oldest); old < 3600 || old > 4000 {
		t.Errorf("the oldest waits for %v s", old)
	}
	box := postOffice(t)
	runOnce(t, sender(pool, box.addr))
	same(t, "how many mails", len(box.of(t)), 3)
}

func TestAMailboxThatRefusesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	ids := mailed(t, pool, "nobody@customers.example", ada, "full@customers.example", "grace@customers.example")
	box.refusing(func(to string) error {
		switch {
		case strings.HasPrefix(to, "nobody"):
			return &smtp.SMTPError{Code: 550, Message: "no such mailbox"}
		case strings.HasPrefix(to, "full"):
			return &smtp.SMTPError{Code: 452, Message: "the mailbox is full"}
		}
		return nil
	})
	m := sender(pool, box.addr)
	runOnce(t, m)
	same(t, "how many mails", len(box.of(t)), 2)
	same(t, "refused", texts(t, pool, `SELECT order_id::text FROM mail WHERE refused_at IS NOT NULL`), ids[:1])
	same(t, "to be sent", texts(t, pool, `SELECT order_id::text FROM mail WHERE sent_at IS NULL AND refused_at IS NULL`), ids[2:3])
	same(t, "counted as refused", testutil.ToFloat64(m.mails.WithLabelValues("refused")), 1)
	box.refusing(nil)
	due(t, pool)
	runOnce(t, m)
	same(t, "how many mails in the end", len(box.of(t)), 3)
	deliver(t, pool, rejected(ids[0]))
	runOnce(t, m)
	same(t, "a cancel of what was refused", box.of(t)[3:], []string{ids[0] + ".cancelled"})
}

func TestManyProcessesSendEachMailOnce(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, postOffice(t)
	contacts := make([]string, 3*mailsAtOnce)
	for i := range contacts {
		contacts[i] = fmt.Sprintf("customer-%d@customers.example", i)
	}
	ids := mailed(t, pool, contacts...)
	var processes errgroup.Group
	for range 4 {
		processes.Go(func() error { return sender(pool, box.addr).runOnce(t.Context()) })
	}
	if err := processes.Wait(); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, id := range box.of(t) {
		times[id]++
	}
	same(t, "how many mails", len(times), len(ids))
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

func TestAMailServerMayAskForALogin(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	box := postOffice(t, func(s *smtp.Server) { s.AllowInsecureAuth = true })
	mailed(t, pool, ada)
	m := sender(pool, box.addr)
	m.post.user, m.post.password = "shop", "secret"
	runOnce(t, m)
	same(t, "logins", box.logins, []string{"shop:secret"})
	same(t, "how many mails", len(box.of(t)), 1)
}

func TestAMailServerThatIsAnotherGetsNothing(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	impostor := httptest.NewUnstartedServer(nil)
	impostor.StartTLS() // for the certificate, which nobody here trusts
	t.Cleanup(impostor.Close)
	box := postOffice(t, func(s *smtp.Server) { s.TLSConfig = impostor.TLS })
	mailed(t, pool, ada)
	if err := sender(pool, box.addr).runOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("it ended with %v, want a word about the certificate", err)
	}
	same(t, "how many mails", len(box.of(t)), 0)
	same(t, "unsent", count(t, pool, `SELECT count(*) FROM mail WHERE sent_at IS NULL`), 1)
}

func TestTheSagaTellsOfItsMails(t *testing.T) {
	t.Parallel()
	s, box := open(t), postOffice(t)
	id := mailed(t, s.pool, ada)[0]
	same(t, "contact", *s.get(id).ContactEmail, ada)
	got := s.saga(id).Mails
	if len(got) != 1 || got[0].Kind != mailReceived || got[0].SentAt != nil {
		t.Errorf("before it is sent: %+v", got)
	}
	runOnce(t, sender(s.pool, box.addr))
	if got := s.saga(id).Mails; len(got) != 1 || got[0].SentAt == nil || got[0].Attempts != 1 {
		t.Errorf("after it is sent: %+v", got)
	}
}

func TestAContactIsOneMailAddressAndNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	with := func(contact string) string { return strings.Replace(body, "{", `{"contact_email": "`+contact+`", `, 1) }
	for i, contact := range []string{
		"", "ada", "ada@", "@customers.example", "ada@customers", "ada@customers.example\\r\\nBcc: all@customers.example", "a@b.example,c@d.example",
		"Ada <ada@customers.example>", "ada lovelace@customers.example", "ada@-.example", strings.Repeat("a", 250) + "@b.example",
	} {
		isProblem(t, s.place(fmt.Sprint(i), with(contact)), http.StatusUnprocessableEntity)
	}
	s.holdsNothing(t)
	same(t, "a good one", s.place("good", with("ada+orders@mail.customers.example")).status, http.StatusAccepted)
}

func TestAMailIsPutOffFurtherAndFurther(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute,
	} {
		same(t, fmt.Sprintf("after %d attempts", attempts), mailPause(attempts), want)
	}
}

func TestEveryReasonHasWordsForTheCustomer(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"customer": "as you asked", "deadline": "because we could not carry it out in time", "out_of_stock: widget": "because there is not enough in stock",
		"destination_not_served: AQ": "because we cannot deliver there", "insufficient_funds": "because the payment did not succeed",
	} {
		same(t, reason, because(reason), want)
	}
}
