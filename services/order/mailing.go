package order

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/smtp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"example.com/ordersaga/internal/failpoint"
)

const (
	// mailsAtOnce share a conversation, a claim and a mark.
	mailsAtOnce = 50
	// mailTime bounds one conversation.
	mailTime = 10 * time.Second
	// mailLease is how long claimed mails are one process's own: as long as its conversation may take, and the mark.
	mailLease = 15 * time.Second
)

// mailing sends the mails that transactions have left. No transaction is open meanwhile; a process that dies in
// between leaves a lease that ends, and then the same mail goes out again under the same Message-ID.
type mailing struct {
	pool   *pgxpool.Pool
	post   post
	faults *failpoint.Set
	log    *slog.Logger
	mails  *prometheus.CounterVec // by what became of the attempt
	unsent prometheus.Gauge
	oldest prometheus.Gauge
}

func newMailing(pool *pgxpool.Pool, p post, faults *failpoint.Set, log *slog.Logger,
	registerer prometheus.Registerer) mailing {
	add := promauto.With(registerer)
	return mailing{
		pool: pool, post: p, faults: faults, log: log,
		mails: add.NewCounterVec(prometheus.CounterOpts{
			Namespace: "order", Name: "mails_total",
			Help: "Attempts to send a mail, by what came of it: sent, put off or refused.",
		}, []string{"outcome"}),
		unsent: add.NewGauge(prometheus.GaugeOpts{Namespace: "order", Name: "mails_unsent",
			Help: "Mails that are to be sent."}),
		oldest: add.NewGauge(prometheus.GaugeOpts{
			Namespace: "order", Name: "mails_unsent_seconds", Help: "For how long the oldest of them has been waiting.",
		}),
	}
}

// runOnce sends everything that is due. An error means that the server does not take any.
func (m mailing) runOnce(ctx context.Context) error {
	for {
		letters, err := claimMails(ctx, m.pool, mailsAtOnce)
		if err != nil || len(letters) == 0 {
			return err
		}
		outcomes, unreached := m.send(ctx, letters)
		// What has begun is finished, also when the process is to end: what is not marked is sent again.
		if err := markMails(context.WithoutCancel(ctx), m.pool, letters, outcomes); err != nil {
			return err
		}
		if err := m.faults.At(ctx, failpoint.MailMarked, ordersOf(letters)...); err != nil || unreached != nil ||
			len(letters) < mailsAtOnce {
			return errorOf(unreached, err)
		}
	}
}

// errorOf is the first one that is one.
func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// errUnreached stands with a mail; the log has what it was, with addresses.
var errUnreached = errors.New("the mail server cannot be reached")

// send hands the letters over in one conversation, and says of each what became of it.
func (m mailing) send(ctx context.Context, letters []Letter) (outcomes []outcome, unreached error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTime)
	defer cancel()
	server, unreached := m.post.open(ctx)
	if unreached == nil {
		defer func() { _ = server.Quit() }() // everything that counts has been answered
	}
	for _, letter := range letters {
		done := outcome{later: errUnreached}
		if unreached == nil {
			done = m.post.deliver(ctx, server, letter, m.faults)
			unreached = again(server, done)
		}
		outcomes = append(outcomes, done)
		m.note(ctx, letter, done)
	}
	return outcomes, unreached
}

// again makes a conversation ready for the next letter: after a no it is begun anew.
func again(server *smtp.Client, done outcome) error {
	if done.later == nil && done.never == nil {
		return nil
	}
	if err := server.Reset(); err != nil {
		return fmt.Errorf("speak with the mail server: %w", err)
	}
	return nil
}

func (m mailing) note(ctx context.Context, l Letter, o outcome) {
	switch {
	case o.never != nil:
		m.mails.WithLabelValues("refused").Inc()
		// The server's words repeat the customer's address, which is no matter of the log; they stand with the mail.
		m.log.WarnContext(ctx, "mail refused", "order_id", l.Order.OrderID, "kind", l.Kind)
	case o.later != nil:
		m.mails.WithLabelValues("put off").Inc()
	default:
		m.mails.WithLabelValues("sent").Inc()
	}
}

// count shows what waits to be sent.
func (m mailing) count(ctx context.Context) error {
	var unsent, seconds float64
	err := m.pool.QueryRow(ctx, `
		SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)
		FROM mail WHERE sent_at IS NULL AND refused_at IS NULL`).Scan(&unsent, &seconds)
	if err != nil {
		return fmt.Errorf("count the mails to be sent: %w", err)
	}
	m.unsent.Set(unsent)
	m.oldest.Set(seconds)
	return nil
}

func ordersOf(letters []Letter) []string {
	ids := make([]string, 0, len(letters))
	for _, l := range letters {
		ids = append(ids, l.Order.OrderID)
	}
	return ids
}
