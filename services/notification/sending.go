package notification

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/loop"
)

const (
	// atOnce is how many mails a process sends at the same time, and slowAtOnce how many more that have taken longer than
	// slowAfter: the slowness of one is not another's.
	atOnce     = 8
	slowAtOnce = 128
	slowAfter  = 2 * time.Second
	// mailLease is how long a claimed mail is one process' own; it is extended while the mail is being sent. A process
	// that dies leaves a lease that ends, and then the same mail goes out under the same Message-ID.
	mailLease = 15 * time.Second
	// lookEvery is how often mails that are due are looked for.
	lookEvery = time.Second
)

// turns let one of the loops look for mails while there are none. Each that finds one wakes another.
type turns struct {
	last atomic.Pointer[time.Time] // when one of them looked; nil: it found a mail
	wake chan struct{}
}

func (t *turns) mine() bool {
	last, now := t.last.Load(), time.Now()
	return (last == nil || now.Sub(*last) > lookEvery/2) && t.last.CompareAndSwap(last, &now)
}

func (t *turns) found() {
	t.last.Store(nil)
	loop.Wake(t.wake)
}

// sending sends the mails that transactions have left. No transaction is open meanwhile.
type sending struct {
	pool   *pgxpool.Pool
	server mailServer
	lease  time.Duration
	slow   time.Duration
	beside chan struct{}   // has a place for each slow mail
	rest   *sync.WaitGroup // mails on their way
	turns  *turns
	faults *failpoint.Set
	log    *slog.Logger
	mails  *prometheus.CounterVec // attempts, by the state that they left
	unsent prometheus.Gauge
	oldest prometheus.Gauge
}

func newSending(pool *pgxpool.Pool, server mailServer, faults *failpoint.Set, log *slog.Logger,
	registerer prometheus.Registerer) sending {
	add := promauto.With(registerer)
	gauge := func(name, help string) prometheus.Gauge {
		return add.NewGauge(prometheus.GaugeOpts{Namespace: "notification", Name: name, Help: help})
	}
	return sending{
		pool: pool, server: server, lease: mailLease, slow: slowAfter,
		beside: make(chan struct{}, slowAtOnce), rest: &sync.WaitGroup{}, faults: faults, log: log,
		turns: &turns{wake: make(chan struct{}, 1)},
		mails: add.NewCounterVec(prometheus.CounterOpts{Namespace: "notification", Name: "mails_total",
			Help: "Attempts to send a mail, by the state that they left.",
		}, []string{"state"}),
		unsent: gauge("mails_unsent", "Mails that are to be sent."),
		oldest: gauge("mails_unsent_seconds", "For how long the oldest of them has been waiting."),
	}
}

// loops send mails, some at once, and count those that wait.
func (s sending) loops() []func(context.Context) error {
	all := []func(context.Context) error{loop.New("count mails", s.log, 10*time.Second, nil, s.count)}
	for range atOnce {
		rest := &sync.WaitGroup{}
		s.rest = rest
		send := loop.New("send mails", s.log, lookEvery, s.turns.wake, func(ctx context.Context) error {
			if !s.turns.mine() {
				return nil
			}
			return s.runOnce(ctx)
		})
		all = append(all, func(ctx context.Context) error {
			defer rest.Wait()
			return send(ctx)
		})
	}
	return all
}

// runOnce sends what is due, one mail after the other; one that is slow goes on beside. An error means that the server
// takes none.
func (s sending) runOnce(ctx context.Context) error {
	for ctx.Err() == nil {
		m, err := claimMail(ctx, s.pool, s.lease)
		if err != nil || m == nil {
			return err
		}
		s.turns.found()
		if err := s.deliverOrLeave(ctx, *m); err != nil {
			return err
		}
	}
	return nil
}

// deliverOrLeave waits for a mail for as long as it is not slow, and then no longer if there is a place for it.
func (s sending) deliverOrLeave(ctx context.Context, m Mail) error {
	done := make(chan error, 1)
	s.rest.Go(func() { done <- s.deliver(ctx, m) })
	select {
	case err := <-done:
		return err
	case <-time.After(s.slow):
	}
	select {
	case err := <-done:
		return err
	case s.beside <- struct{}{}:
	}
	s.rest.Go(func() {
		defer func() { <-s.beside }()
		if err := <-done; err != nil {
			s.log.WarnContext(ctx, "a slow mail failed", "order_id", m.OrderID, "error", err)
		}
	})
	return nil
}

// deliver makes one attempt, unless the server was given the mail so often without an answer that it is abandoned.
func (s sending) deliver(ctx context.Context, m Mail) error {
	state, problem := Unknown, errUnanswered
	if m.Unanswered < maxUnanswered {
		state, problem = s.attempt(ctx, m)
	}
	unreached := errors.Is(problem, errUnreached)
	stored := problem
	if unreached {
		stored = errUnreached // the log has why
	}
	// What has begun is finished, also when the process is to end.
	if err := markMail(context.WithoutCancel(ctx), s.pool, m, state, stored); err != nil {
		return err
	}
	s.mails.WithLabelValues(string(state)).Inc()
	if state == Refused || state == Unknown {
		s.log.WarnContext(ctx, "mail ended unsent", "order_id", m.OrderID, "kind", m.Kind, "state", state)
	}
	if err := s.faults.At(ctx, failpoint.MailMarked, m.OrderID); err != nil || !unreached {
		return err
	}
	return problem
}

// attempt sends the mail and keeps its lease meanwhile.
func (s sending) attempt(ctx context.Context, m Mail) (State, error) {
	if err := s.faults.At(ctx, failpoint.MailBeforeSend, m.OrderID); err != nil {
		return Waiting, err
	}
	working := context.WithoutCancel(ctx)
	holding, release := context.WithCancel(working)
	var held sync.WaitGroup
	held.Go(func() {
		for loop.Rest(holding, s.lease/3, nil) {
			if err := extendLease(holding, s.pool, m, s.lease, false); err != nil && holding.Err() == nil {
				s.log.WarnContext(holding, "lease of a mail not extended", "order_id", m.OrderID, "error", err)
			}
		}
	})
	state, problem := s.server.send(ctx, m, func() error { return extendLease(working, s.pool, m, s.lease, true) })
	release()
	held.Wait()
	if err := s.faults.At(ctx, failpoint.MailSent, m.OrderID); err != nil {
		return Waiting, errors.Join(errUnanswered, err)
	}
	return state, problem
}

// count shows what waits to be sent.
func (s sending) count(ctx context.Context) error {
	unsent, seconds, err := countWaiting(ctx, s.pool)
	s.unsent.Set(unsent)
	s.oldest.Set(seconds)
	return err
}
