package messaging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	within      = 20 * time.Second
	traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

func ignore[E events.Event](context.Context, pgx.Tx, E) (events.Event, error) { return nil, nil }

func publish(t *testing.T, pool *pgxpool.Pool, cause outbox.Cause, list ...events.Event) error {
	t.Helper()
	ctx := outbox.WithCause(t.Context(), cause)
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return messaging.Publish(ctx, tx, list...) })
}

func failure(order string) events.Event {
	return events.ShipmentFailed{Subject: events.Subject{OrderID: order}, Reason: "test"}
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What follows from an event continues its trace; what follows from a request or from an event without one belongs to the
// order's own.
func TestPublish_KeepsTheCauseAndTheTrace(t *testing.T) {
	t.Parallel()
	pool := testkit.Database(t, events.Shipping).Pool
	first, second := outbox.Cause{EventID: uuid.NewString()}, outbox.Cause{TraceParent: traceParent}
	third := outbox.Cause{EventID: uuid.NewString(), TraceParent: traceParent}
	orders := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
	err := publish(t, pool, first, failure(orders[0]),
		messaging.CausedBy(second, failure(orders[1])), messaging.CausedBy(third, failure(orders[2])))
	if err != nil {
		t.Fatal(err)
	}
	first.TraceParent, second.TraceParent = tracing.Root(orders[0]), tracing.Root(orders[1])
	for i, want := range []outbox.Cause{first, second, third} {
		var id string
		var payload []byte
		if err := pool.QueryRow(t.Context(), `SELECT id::text, payload FROM outbox WHERE key = $1`, orders[i]).Scan(&id, &payload); err != nil {
			t.Fatal(err)
		}
		envelope, event, err := events.Decode(payload)
		if err != nil || envelope.ID != id || event.Order() != orders[i] {
			t.Fatalf("stored %+v under %s (%v)", envelope, id, err)
		}
		if got := (outbox.Cause{EventID: envelope.CausationID, TraceParent: envelope.TraceParent}); got != want {
			t.Errorf("event %d follows from %+v, want %+v", i, got, want)
		}
		if derived := events.ID(events.Cause(want), event); id != derived {
			t.Errorf("event %d has the id %s, want %s", i, id, derived)
		}
	}
}

func TestPublish_RefusesWhatTheContractDoesNotAllow(t *testing.T) {
	t.Parallel()
	pool := testkit.Database(t, events.Shipping).Pool
	for name, event := range map[string]events.Event{
		"no event":                       nil,
		"an order id that is not a UUID": failure("o1"),
		"an order id in upper case":      failure(strings.ToUpper(uuid.NewString())),
		"more than an event may hold": events.ShipmentFailed{
			Subject: events.Subject{OrderID: uuid.NewString()}, Reason: strings.Repeat("x", events.MaxSize),
		},
		"what its schema does not allow": events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: uuid.NewString()}, ShipmentID: "shp_1"},
	} {
		if err := publish(t, pool, outbox.Cause{}, failure(uuid.NewString()), event); err == nil {
			t.Errorf("%s is published", name)
		}
	}
	if err := publish(t, pool, outbox.Cause{}); err != nil {
		t.Errorf("publishing nothing is %v", err)
	}
	if n := count(t, pool, `SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

// The catalogue has the subscriptions; a service whose handlers differ does not start.
func TestNew_ChecksTheHandlers(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	paid, cancel := outbox.Handle(ignore[events.PaymentProcessed]), outbox.Handle(ignore[events.OrderCancelRequested])
	for name, test := range map[string]struct {
		service  events.Service
		handlers []outbox.Handler
		err      string
	}{
		"exactly its subscriptions": {events.Shipping, []outbox.Handler{paid, cancel}, ""},
		"one too few":               {events.Shipping, []outbox.Handler{paid}, "shipping has no handler of OrderCancelRequested v1"},
		"one too many": {
			events.Shipping, []outbox.Handler{paid, cancel, outbox.Handle(ignore[events.OrderCreated])},
			"shipping has a handler of OrderCreated v1, which it does not subscribe to",
		},
		"one twice":          {events.Shipping, []outbox.Handler{paid, cancel, cancel}, "two handlers of OrderCancelRequested v1"},
		"an unknown service": {"billing", []outbox.Handler{paid, cancel}, "not one of the services"},
		"incidents of all services with one handler each": {events.Order, []outbox.Handler{
			outbox.Handle(ignore[events.InventoryRejected]), outbox.Handle(ignore[events.ShipmentCreated]),
			outbox.Handle(ignore[events.InventoryReleased]), outbox.Handle(ignore[events.IncidentOpened]), outbox.Handle(ignore[events.IncidentResolved]),
		}, ""},
	} {
		_, err := messaging.New(messaging.Config{Service: test.service, Pool: pool, NATS: &nats.Conn{}, Handlers: test.handlers})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
}

// shipping is the service with one step, which a test replaces.
type shipping struct {
	*messaging.Outbox
	t      *testing.T
	pool   *pgxpool.Pool
	order  jetstream.JetStream // of the order service, which publishes
	counts *prometheus.Registry
	step   atomic.Pointer[func(events.OrderCancelRequested) (events.Event, error)]
}

func newShipping(t *testing.T) *shipping {
	t.Helper()
	broker := testkit.Broker(t)
	s := &shipping{t: t, pool: testkit.Database(t, events.Shipping).Pool, counts: prometheus.NewRegistry()}
	var err error
	if s.order, err = jetstream.New(broker.Connect(t, events.Order)); err != nil {
		t.Fatal(err)
	}
	s.replace(func(events.OrderCancelRequested) (events.Event, error) { return nil, nil })
	cancel := func(_ context.Context, _ pgx.Tx, e events.OrderCancelRequested) (events.Event, error) {
		return (*s.step.Load())(e)
	}
	s.Outbox, err = messaging.New(messaging.Config{
		Service: events.Shipping, Pool: s.pool, NATS: broker.Connect(t, events.Shipping), Metrics: s.counts,
		Handlers: []outbox.Handler{outbox.Handle(cancel), outbox.Handle(ignore[events.PaymentProcessed])},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("the outbox ended with %v", err)
		}
	})
	t.Cleanup(func() { end(); running.Wait() })
	return s
}

func (s *shipping) replace(step func(events.OrderCancelRequested) (events.Event, error)) {
	s.step.Store(&step)
}

// request is an event of the order service.
func (s *shipping) request() (id, order string, message []byte) {
	s.t.Helper()
	id, order = uuid.NewString(), uuid.NewString()
	message, err := events.Encode(id, time.Now(), events.Cause{TraceParent: traceParent},
		events.OrderCancelRequested{Subject: events.Subject{OrderID: order}, Reason: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	return id, order, message
}

func (s *shipping) deliver(order string, message []byte) {
	s.t.Helper()
	if _, err := s.order.Publish(s.t.Context(), events.OrderCancelRequested{}.Type().SubjectOf(order), message); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shipping) eventually(n int, what, sql string, args ...any) {
	s.t.Helper()
	testkit.Eventually(s.t, within, what, func() bool { return count(s.t, s.pool, sql, args...) == n })
}

// counted is the value of a metric.
func (s *shipping) counted(name string) float64 {
	s.t.Helper()
	families, err := s.counts.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	s.t.Errorf("there is no metric %s", name)
	return 0
}

func TestStep_IsAnsweredInItsTrace(t *testing.T) {
	t.Parallel()
	s := newShipping(t)
	s.replace(func(e events.OrderCancelRequested) (events.Event, error) { return failure(e.OrderID), nil })
	id, order, message := s.request()
	s.deliver(order, message)
	s.eventually(1, "the answer to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	var payload []byte
	if err := s.pool.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE key = $1 AND type = 'saga.shipping.ShipmentFailed.v1'`, order).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	envelope, event, err := events.Decode(payload)
	if err != nil || event != failure(order) || envelope.CausationID != id || envelope.TraceParent != traceParent {
		t.Errorf("answered with %+v, %+v, %v", envelope, event, err)
	}
	if n := count(t, s.pool, `SELECT count(*) FROM inbox WHERE event_id = $1 AND key = $2 AND type = 'saga.order.OrderCancelRequested.v1'`, id, order); n != 1 {
		t.Errorf("the inbox has %d rows of the event", n)
	}
	for name, want := range map[string]float64{
		"inbox_events_handled_total": 1, "inbox_batch_events": 1, "inbox_duplicates_total": 0, "inbox_dead_letters_total": 0, "inbox_retrying_events": 0,
		"inbox_step_duration_seconds": 1,
		"outbox_published_total":      1, "outbox_publish_errors_total": 0, "outbox_backlog": 0,
	} {
		testkit.Eventually(t, within, fmt.Sprintf("%s to be %v", name, want), func() bool { return s.counted(name) == want })
	}
}

// An answer that cannot be published dead-letters its event, since it would be no better the next time.
func TestStep_AnAnswerThatTheContractForbidsIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newShipping(t)
	n := 0
	for name, answer := range map[string]func(order string) events.Event{
		"another service's event":     func(order string) events.Event { return events.OrderCancelled{Subject: events.Subject{OrderID: order}} },
		"an order that is not a UUID": func(string) events.Event { return failure("o1") },
		"what its schema does not allow": func(order string) events.Event {
			return events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: order}, ShipmentID: "shp_1"}
		},
	} {
		s.replace(func(e events.OrderCancelRequested) (events.Event, error) { return answer(e.OrderID), nil })
		_, order, message := s.request()
		s.deliver(order, message)
		n++
		s.eventually(n, "a dead letter of "+name, `SELECT count(*) FROM dead_letter`)
	}
	if n := count(t, s.pool, `SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d answers are in the outbox", n)
	}
}

// Whatever is in a message, it is stored with its reason in the words of the contract.
func TestMessage_ThatTheContractForbidsIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newShipping(t)
	replaced := func(old, new string) func([]byte) []byte {
		return func(message []byte) []byte { return bytes.ReplaceAll(message, []byte(old), []byte(new)) }
	}
	for name, test := range map[string]struct {
		spoil  func(message []byte) []byte
		reason string
	}{
		"not JSON":                       {func([]byte) []byte { return []byte("hello") }, "not a CloudEvents message"},
		"broken UTF-8":                   {replaced("saga.order.OrderCancelRequested.v1", "a\xffb"), "is not saga"},
		"a NUL":                          {replaced(`"reason":"`, `"reason":"\u0000`), "NUL"},
		"another CloudEvents":            {replaced(`"specversion":"1.0"`, `"specversion":"0.3"`), "specversion"},
		"an unknown event":               {replaced("OrderCancelRequested", "OrderDreamtOf"), "unknown event"},
		"another major version":          {replaced("OrderCancelRequested.v1", "OrderCancelRequested.v2"), "v2"},
		"an event without subscription":  {replaced("saga.order.OrderCancelRequested", "saga.order.OrderConfirmed"), "does not subscribe to"},
		"data about another order":       {replaced(`"order_id":"`, `"order_id":"01936f2e-7c00-7000-8000-000000000009","x":"`), "is about order"},
		"data without a field":           {replaced(`"reason"`, `"because"`), "OrderCancelRequested.v1 is not what its schema says: /reason: it is required, and missing"},
		"data with another type":         {replaced(`"reason":"test"`, `"reason":7`), "/reason: it is number, must be string"},
		"an order id with a letter":      {replaced(`"order_id":"`, `"order_id":"x`), "/order_id: it must be of format uuid"},
		"data in another charset":        {replaced(`"reason":"test"`, "\"reason\":\"Z\xfcrich\""), "not in UTF-8"},
		"a member that is there twice":   {replaced(`"reason":"test"`, `"reason":"test","reason":"other"`), "two members"},
		"an event id that is not a UUID": {replaced(`"id":"`, `"id":"x`), "is not a UUID"},
	} {
		_, order, message := s.request()
		spoilt := test.spoil(message)
		s.deliver(order, spoilt)
		s.eventually(1, name+" to be a dead letter", `SELECT count(*) FROM dead_letter WHERE position($1 IN reason) > 0 AND payload = $2 AND subject = $3`,
			test.reason, spoilt, events.OrderCancelRequested{}.Type().SubjectOf(order))
	}
	for name, spoil := range map[string]func(message []byte) []byte{
		"the 60th second": func(m []byte) []byte {
			return regexp.MustCompile(`"time":"[^"]*"`).ReplaceAll(m, []byte(`"time":"2026-11-29T12:00:60Z"`))
		},
		"a numeric trace": replaced(`"subject"`, `"traceparent":7,"subject"`),
		"a numeric source": func(m []byte) []byte {
			return regexp.MustCompile(`"source":"[^"]*"`).ReplaceAll(m, []byte(`"source":7`))
		},
	} {
		id, order, message := s.request()
		s.deliver(order, spoil(message))
		s.eventually(1, name+" to be a dead letter with its ids", `
			SELECT count(*) FROM dead_letter WHERE key = $1 AND event_id = $2 AND type = 'saga.order.OrderCancelRequested.v1'`, order, id)
	}
	for name, spoil := range map[string]func(message []byte) []byte{
		"half a message":    func(m []byte) []byte { return m[:len(m)/2] },
		"two messages":      func(m []byte) []byte { return append(m, m...) },
		"a mark before it":  func(m []byte) []byte { return append([]byte("\ufeff"), m...) },
		"no subject":        replaced(`"subject"`, `"about"`),
		"a numeric subject": replaced(`"subject":`, `"subject":7,"about":`),
	} {
		_, order, message := s.request()
		s.deliver(order, spoil(message))
		s.eventually(1, name+" to be a dead letter of its subject's order", `
			SELECT count(*) FROM dead_letter WHERE key = $1 AND type = 'saga.order.OrderCancelRequested.v1'`, order)
	}
	if n := count(t, s.pool, `SELECT count(*) FROM inbox`); n != 0 {
		t.Errorf("the inbox has %d rows", n)
	}
}

// An event that fails is retried, for ever. It is listed while it is, and no longer.
func TestRetrying_ListsAnEventUntilItTakesEffect(t *testing.T) {
	t.Parallel()
	s := newShipping(t)
	s.replace(func(events.OrderCancelRequested) (events.Event, error) { return nil, errors.New("the lorry is late") })
	id, order, message := s.request()
	began := time.Now().Add(-time.Minute) // the broker's clock need not be ours
	s.deliver(order, message)
	testkit.Eventually(t, within, "the event to be listed", func() bool { return len(s.Retrying(messaging.RetryAlert)) == 1 })
	got := s.Retrying(1)[0]
	if got.EventID != id || got.OrderID != order || got.Type != "saga.order.OrderCancelRequested.v1" || got.Attempts < messaging.RetryAlert ||
		!strings.Contains(got.Reason, "the lorry is late") || got.Since.Before(began) || got.Since.After(got.LastAt.Add(time.Minute)) || !got.NextAt.After(got.LastAt) {
		t.Errorf("%+v", got)
	}
	if n := s.counted("inbox_retrying_events"); n != 1 {
		t.Errorf("the metric is %v", n)
	}
	s.replace(func(events.OrderCancelRequested) (events.Event, error) { return nil, nil })
	s.eventually(1, "it to take effect", `SELECT count(*) FROM inbox`)
	testkit.Eventually(t, within, "it to leave the list", func() bool { return len(s.Retrying(1)) == 0 })
}
