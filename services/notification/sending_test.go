package notification

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/testkit"
)

const within = 30 * time.Second

func arm(t *testing.T, s *sending, point failpoint.Point, times int) {
	t.Helper()
	s.faults = failpoint.NewSet()
	if _, err := s.faults.Arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: times}); err != nil {
		t.Fatal(err)
	}
}

// states are those of all mails, with how often each was tried and handed over without an answer.
func states(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `SELECT state || ', ' || attempts || ' attempts, ' || unanswered || ' unanswered' FROM mail ORDER BY order_id, kind DESC`)
}

func TestSending_EachMailOnce(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	id := ordered(t, pool, ada)[0]
	s := process(pool, box.addr)
	for range 3 {
		runOnce(t, s)
		due(t, pool)
	}
	same(t, "mails", box.of(t), []string{id + ".received"})
	same(t, "states", states(t, pool), []string{"SENT, 1 attempts, 0 unanswered"})
	message := parsed(t, box.messages()[0])
	for name, want := range map[string]string{
		"From": "orders@shop.example", "To": ada, "Subject": "We have received your order", "Auto-Submitted": "auto-generated",
		"In-Reply-To": "", "Content-Type": "text/plain; charset=utf-8",
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
	for _, want := range []string{"Dear Ada Lövelace,\r\n\r\nwe have", id, "2 × widget", "39.98 USD"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the mail lacks %q: %q", want, body)
		}
	}
	same(t, "hello", box.hellos[0], "shop.example")
}

func TestSending_ACancelFollowsTheReceipt(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	ids := ordered(t, pool, ada, ada)
	s := process(pool, box.addr)
	// The first order ends before anything was sent, the second one after it.
	handle(t, pool, cancelledFor(ids[0], ada, "customer"))
	exec(t, pool, `UPDATE mail SET next_attempt_at = now() - interval '1 h' WHERE kind = 'cancelled'`)
	runOnce(t, s)
	handle(t, pool, cancelledFor(ids[1], ada, "card_declined"))
	runOnce(t, s)
	got := box.of(t)
	same(t, "how many mails", len(got), 4)
	for _, id := range ids {
		first, second := slices.Index(got, id+".received"), slices.Index(got, id+".cancelled")
		if first < 0 || second < first {
			t.Fatalf("the mails are %v", got)
		}
		same(t, "what it answers", parsed(t, box.messages()[second]).Header.Get("In-Reply-To"), "<"+id+".received@shop.example>")
	}
}

func TestSending_ACrashBeforeTheMarkSendsTheSameMailAgain(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	id := ordered(t, pool, ada)[0]
	s := process(pool, box.addr)
	arm(t, &s, failpoint.MailSent, 1)
	runOnce(t, s)
	due(t, pool)
	runOnce(t, s)
	same(t, "mails", box.of(t), []string{id + ".received", id + ".received"})
	same(t, "the second one", string(box.messages()[1]), string(box.messages()[0]))
}

func TestSending_AFaultBeforehandSendsLater(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	ordered(t, pool, ada)
	s := process(pool, box.addr)
	arm(t, &s, failpoint.MailBeforeSend, 5)
	for range 5 {
		runOnce(t, s)
		due(t, pool)
	}
	same(t, "states", states(t, pool), []string{"WAITING, 5 attempts, 0 unanswered"})
	runOnce(t, s)
	same(t, "how many mails", len(box.of(t)), 1)
}

func TestSending_ASlowAnswerIsWaitedForAndTheLeaseIsKept(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	answer := make(chan struct{})
	box.end = func() error { <-answer; return nil }
	ordered(t, pool, ada)
	slow, other := process(pool, box.addr), process(pool, box.addr)
	slow.lease, slow.server.times.end = 3*time.Second, time.Minute
	var sender errgroup.Group
	sender.Go(func() error {
		defer slow.rest.Wait()
		return slow.runOnce(t.Context())
	})
	testkit.Eventually(t, within, "the message to be handed over", func() bool { return len(box.messages()) == 1 })
	// The answer comes when the first lease is long over, and another process has looked for mails all the time.
	testkit.Eventually(t, within, "the lease to be extended beyond several leases", func() bool {
		runOnce(t, other)
		return slices.Equal(texts(t, pool, `SELECT 'yes' FROM mail WHERE next_attempt_at > created_at + interval '8 s'`), []string{"yes"})
	})
	close(answer)
	if err := sender.Wait(); err != nil {
		t.Fatal(err)
	}
	same(t, "copies", len(box.messages()), 1)
	same(t, "states", states(t, pool), []string{"SENT, 1 attempts, 0 unanswered"})
}

func TestSending_ManySlowMailsEachOnce(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	var under, most atomic.Int32
	box.end = func() error {
		n := under.Add(1)
		defer under.Add(-1)
		most.Store(max(most.Load(), n))
		<-time.After(50 * time.Millisecond)
		return nil
	}
	contacts := make([]string, 40)
	for i := range contacts {
		contacts[i] = fmt.Sprintf("customer-%d@customers.example", i)
	}
	ids := ordered(t, pool, contacts...)
	ctx, stop := context.WithCancel(t.Context())
	var processes errgroup.Group
	for range 2 {
		s := process(pool, box.addr)
		s.lease = time.Second
		for _, loop := range s.loops() {
			processes.Go(func() error { return loop(ctx) })
		}
	}
	testkit.Eventually(t, within, "every mail to be sent", func() bool {
		return len(texts(t, pool, `SELECT '' FROM mail WHERE state = 'SENT'`)) == len(ids)
	})
	stop()
	if err := processes.Wait(); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, id := range box.of(t) {
		times[id]++
	}
	for id, n := range times {
		same(t, id, n, 1)
	}
	same(t, "how many mails", len(times), len(ids))
	if n := most.Load(); n < 2 || n > 2*atOnce {
		t.Errorf("%d were sent at once", n)
	}
}

func TestSending_SlowMailsDelayNoOther(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	release := make(chan struct{})
	box.refuse = func(to string) error {
		if strings.HasPrefix(to, "slow") {
			<-release
		}
		return nil
	}
	slow := slices.Repeat([]string{"slow@customers.example"}, 2*atOnce)
	ordered(t, pool, slow...)
	ordered(t, pool, ada, ada, ada)
	ctx, stop := context.WithCancel(t.Context())
	var all errgroup.Group
	s := process(pool, box.addr)
	s.slow, s.server.times.command = 10*time.Millisecond, time.Hour
	for _, loop := range s.loops() {
		all.Go(func() error { return loop(ctx) })
	}
	testkit.Eventually(t, within, "the others to be sent", func() bool {
		return len(texts(t, pool, `SELECT '' FROM mail WHERE state = 'SENT'`)) == 3
	})
	same(t, "to be sent", texts(t, pool, `SELECT recipient FROM mail WHERE state = 'WAITING'`), slow)
	close(release)
	testkit.Eventually(t, within, "the slow ones to be sent", func() bool {
		return len(texts(t, pool, `SELECT '' FROM mail WHERE state = 'SENT'`)) == 3+len(slow)
	})
	stop()
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestSending_AServerThatNeverAnswersGetsThreeCopies(t *testing.T) {
	t.Parallel()
	for what, forget := range map[string]func(*testing.T, *sending, *postbox){
		"it takes the message and is silent": func(t *testing.T, s *sending, box *postbox) {
			t.Helper()
			s.server.times.end = 100 * time.Millisecond
			silent := make(chan struct{})
			t.Cleanup(func() { close(silent) })
			box.end = func() error { <-silent; return nil }
		},
		"it answers a process that has died": func(t *testing.T, s *sending, _ *postbox) {
			t.Helper()
			arm(t, s, failpoint.MailSent, 100)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool, box := database(t).Pool, openPostbox(t, nil)
			ordered(t, pool, ada)
			s := process(pool, box.addr)
			forget(t, &s, box)
			for range 10 {
				runOnce(t, s)
				due(t, pool)
			}
			same(t, "copies", len(box.messages()), maxUnanswered)
			same(t, "states", states(t, pool), []string{"UNKNOWN, 4 attempts, 3 unanswered"})
			same(t, "words", texts(t, pool, `SELECT problem FROM mail`), []string{errUnanswered.Error()})
			same(t, "counted", testutil.ToFloat64(s.mails.WithLabelValues("UNKNOWN")), 1.0)
		})
	}
}

// Should the process die after the message is handed over, the row has it that the server may have the mail.
func TestSending_AHandOverCountsBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	during := make(chan []string, 1)
	box.end = func() error { during <- states(t, pool); return nil }
	ordered(t, pool, ada)
	runOnce(t, process(pool, box.addr))
	same(t, "states", <-during, []string{"WAITING, 1 attempts, 1 unanswered"})
}

// A definite no after the message is an answer: no copy is there, and however often it comes, the mail is not abandoned.
func TestSending_ANoAfterTheMessageIsAnAnswer(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	box.end = func() error { return &smtp.SMTPError{Code: 451, Message: "later"} }
	ordered(t, pool, ada)
	s := process(pool, box.addr)
	for range 5 {
		runOnce(t, s)
		due(t, pool)
	}
	same(t, "states", states(t, pool), []string{"WAITING, 5 attempts, 0 unanswered"})
	box.change(func() { box.end = func() error { return &smtp.SMTPError{Code: 554, Message: "it is spam"} } })
	runOnce(t, s)
	same(t, "states", states(t, pool), []string{"REFUSED, 6 attempts, 0 unanswered"})
}

// A process that was paused has lost its lease: it hands nothing over any more.
func TestSending_WhoHasLostTheLeaseHandsNothingOver(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	box.refuse = func(string) error {
		_, err := pool.Exec(context.WithoutCancel(t.Context()), `UPDATE mail SET attempts = attempts + 1`)
		return err
	}
	ordered(t, pool, ada)
	runOnce(t, process(pool, box.addr))
	same(t, "copies", len(box.messages()), 0)
	same(t, "states", states(t, pool), []string{"WAITING, 2 attempts, 0 unanswered"})
}

func TestSending_EachPhaseHasItsTime(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections and never greets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	pool := database(t).Pool
	ordered(t, pool, ada)
	s := process(pool, silent.Addr().String())
	s.server.times.command = 100 * time.Millisecond
	if err := s.runOnce(t.Context()); !errors.Is(err, errUnreached) {
		t.Errorf("a server that does not greet: %v", err)
	}
	same(t, "states", states(t, pool), []string{"WAITING, 1 attempts, 0 unanswered"})
	due(t, pool)
	box := openPostbox(t, nil)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	box.refuse = func(string) error { <-release; return nil }
	s.server.addr = box.addr
	runOnce(t, s)
	same(t, "states after a command without an answer", states(t, pool), []string{"WAITING, 2 attempts, 0 unanswered"})
}

func TestSending_AtTheEndOfTheProcessAConversationIsCutShort(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	ordered(t, pool, ada)
	s := process(pool, box.addr)
	s.server.times = times{command: time.Hour, data: time.Hour, end: time.Hour}
	ctx, stop := context.WithCancel(t.Context())
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	box.end = func() error { stop(); <-release; return nil }
	if err := s.runOnce(ctx); err != nil {
		t.Fatal(err)
	}
	same(t, "states", states(t, pool), []string{"WAITING, 1 attempts, 1 unanswered"})
}

func TestSending_WhereNoServerAnswersTheMailsWait(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ordered(t, pool, ada, ada, ada)
	nobody := process(pool, "127.0.0.1:1")
	for range 3 { // a round ends with the first mail: the server takes none
		if err := nobody.runOnce(t.Context()); !errors.Is(err, errUnreached) {
			t.Errorf("nobody answered: %v", err)
		}
	}
	runOnce(t, nobody) // nothing is due before the pause is over
	same(t, "what stands with them", texts(t, pool, `SELECT DISTINCT attempts || ' ' || problem FROM mail`), []string{"1 the mail server cannot be reached"})
	exec(t, pool, `UPDATE mail SET created_at = now() - interval '1 h'`)
	if err := nobody.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "unsent", testutil.ToFloat64(nobody.unsent), 3.0)
	if old := testutil.ToFloat64(nobody.oldest); old < 3600 || old > 4000 {
		t.Errorf("the oldest waits for %v s", old)
	}
	box := openPostbox(t, nil)
	due(t, pool)
	runOnce(t, process(pool, box.addr))
	same(t, "how many mails", len(box.of(t)), 3)
}

func TestSending_AMailboxThatRefusesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	ids := ordered(t, pool, "nobody@customers.example", ada, "full@customers.example", "grace@customers.example")
	box.refuse = func(to string) error {
		switch {
		case strings.HasPrefix(to, "nobody"):
			return &smtp.SMTPError{Code: 550, Message: "no such mailbox: " + to + " \xff"}
		case strings.HasPrefix(to, "full"):
			return &smtp.SMTPError{Code: 452, Message: "the mailbox is full"}
		}
		return nil
	}
	s := process(pool, box.addr)
	runOnce(t, s)
	same(t, "how many mails", len(box.of(t)), 2)
	same(t, "refused", texts(t, pool, `SELECT order_id::text FROM mail WHERE state = 'REFUSED'`), ids[:1])
	if problem := texts(t, pool, `SELECT problem FROM mail WHERE state = 'REFUSED'`)[0]; !strings.Contains(problem, "no such mailbox: the recipient") {
		t.Errorf("the problem is %q", problem)
	}
	same(t, "to be sent", texts(t, pool, `SELECT order_id::text FROM mail WHERE state = 'WAITING'`), ids[2:3])
	same(t, "counted as refused", testutil.ToFloat64(s.mails.WithLabelValues("REFUSED")), 1.0)
	box.change(func() { box.refuse = nil })
	due(t, pool)
	runOnce(t, s)
	same(t, "how many mails in the end", len(box.of(t)), 3)
	handle(t, pool, cancelledFor(ids[0], "", "customer"))
	runOnce(t, s)
	same(t, "a cancel of what was refused", box.of(t)[3:], []string{ids[0] + ".cancelled"})
}

func TestSending_ManyProcessesSendEachMailOnce(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	contacts := make([]string, 100)
	for i := range contacts {
		contacts[i] = fmt.Sprintf("customer-%d@customers.example", i)
	}
	ids := ordered(t, pool, contacts...)
	var processes errgroup.Group
	for range 4 {
		processes.Go(func() error { return process(pool, box.addr).runOnce(t.Context()) })
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
		same(t, id, n, 1)
	}
}

func TestSending_AServerMayAskForALogin(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	box := openPostbox(t, nil, func(s *smtp.Server) { s.AllowInsecureAuth = true })
	ordered(t, pool, ada)
	s := process(pool, box.addr)
	s.server.user, s.server.password = "shop", "secret"
	runOnce(t, s)
	same(t, "logins", box.logins, []string{"shop:secret"})
	same(t, "how many mails", len(box.of(t)), 1)
}

// certified is a TLS configuration whose certificate nobody trusts but who is told to.
func certified(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestSending_IsEncryptedWhereTheServerCan(t *testing.T) {
	t.Parallel()
	certificate := certified(t)
	offering := func(s *smtp.Server) { s.TLSConfig = &tls.Config{Certificates: certificate.TLS.Certificates} }
	for what, c := range map[string]struct {
		box      *postbox
		implicit bool
	}{
		"when it offers to":   {openPostbox(t, nil, offering), false},
		"from the first byte": {openPostbox(t, &tls.Config{Certificates: certificate.TLS.Certificates}), true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool := database(t).Pool
			ordered(t, pool, ada)
			s := process(pool, c.box.addr)
			s.server.implicitTLS, s.server.user, s.server.password = c.implicit, "shop", "secret"
			if err := s.runOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("another server ended with %v, want a word about the certificate", err)
			}
			same(t, "logins that another server got", len(c.box.logins), 0)
			due(t, pool)
			s.server.roots = x509.NewCertPool()
			s.server.roots.AddCert(certificate.Certificate())
			runOnce(t, s)
			same(t, "how many mails", len(c.box.of(t)), 1)
			same(t, "logins", c.box.logins, []string{"shop:secret"}) // which is given over an encrypted connection alone
		})
	}
}

func TestTurns_OneLoopLooksUntilItFindsAMail(t *testing.T) {
	t.Parallel()
	s := &turns{wake: make(chan struct{}, 1)}
	same(t, "the first looks", s.mine(), true)
	same(t, "another one looks", s.mine(), false)
	s.found()
	<-s.wake
	same(t, "the one that was woken looks", s.mine(), true)
	same(t, "another one looks after it", s.mine(), false)
	testkit.Eventually(t, within, "one to look again", s.mine)
}
