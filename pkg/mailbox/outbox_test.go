package mailbox_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
)

func (w *world) do(fn func(ctx context.Context, tx pgx.Tx) error) error {
	w.t.Helper()
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error { return fn(w.t.Context(), tx) })
}

func TestPutKeepsTheCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := events.Cause{EventID: uuid.NewString()}, events.Cause{TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	orders := make([]string, 3)
	list := failures(orders)
	list[1] = mailbox.CausedBy(second, list[1])
	if err := w.do(func(ctx context.Context, tx pgx.Tx) error {
		return mailbox.PutAll(mailbox.WithCause(ctx, first), tx, list)
	}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []events.Cause{first, second, first} {
		var id string
		var payload []byte
		if err := w.pool.QueryRow(t.Context(), `SELECT id::text, payload FROM outbox WHERE order_id = $1`, orders[i]).Scan(&id, &payload); err != nil {
			t.Fatal(err)
		}
		envelope, event, err := events.Decode(payload)
		if err != nil || envelope.ID != id || event.Order() != orders[i] {
			t.Fatalf("stored %+v under %s (%v)", envelope, id, err)
		}
		if got := (events.Cause{EventID: envelope.CausationID, TraceParent: envelope.TraceParent}); got != want {
			t.Errorf("event %d follows from %+v, want %+v", i, got, want)
		}
		if uuid.MustParse(id).Version() != 7 {
			t.Errorf("event id %s does not begin with the time", id)
		}
	}
	if cause := mailbox.CauseOf(t.Context()); cause != (events.Cause{}) {
		t.Errorf("outside of a step the cause is %+v", cause)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unpriced := anOrder()
	unpriced.Lines[0].UnitPrice = -1
	for name, event := range map[string]events.Event{
		"no event":                       nil,
		"an order id that is not a UUID": events.ShipmentFailed{Subject: events.Subject{OrderID: "o1"}},
		"an order id in another guise":   events.ShipmentFailed{Subject: events.Subject{OrderID: strings.ToUpper(uuid.NewString())}},
		"more than an event may hold":    events.ShipmentFailed{Subject: events.Subject{OrderID: uuid.NewString()}, Reason: strings.Repeat("x", events.MaxSize)},
		"what its schema does not allow": events.ShipmentCreated{Snapshot: unpriced, ShipmentID: "shp_1"},
	} {
		good := events.ShipmentFailed{Subject: events.Subject{OrderID: uuid.NewString()}}
		if err := w.do(func(ctx context.Context, tx pgx.Tx) error { return mailbox.Put(ctx, tx, good, event) }); err == nil {
			t.Errorf("%s is put", name)
		}
	}
	if err := w.do(func(ctx context.Context, tx pgx.Tx) error { return mailbox.Put(ctx, tx) }); err != nil {
		t.Errorf("putting nothing is %v", err)
	}
	if n := w.count(`SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

func TestDoHasItsFaults(t *testing.T) {
	t.Parallel()
	for point, committed := range map[failpoint.Point]int{failpoint.OutboxBeforeCommit: 0, failpoint.OutboxAfterCommit: 1} {
		w := newWorld(t)
		w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error})
		m, err := mailbox.New(w.config)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Do(t.Context(), func(tx pgx.Tx) error { return mailbox.Put(t.Context(), tx, failures(make([]string, 1))...) })
		if !errors.Is(err, failpoint.ErrArmed) {
			t.Errorf("%s: Do returned %v", point, err)
		}
		if n := w.count(`SELECT count(*) FROM outbox`); n != committed {
			t.Errorf("%s: %d events were committed, want %d", point, n, committed)
		}
	}
}

func TestIncidents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := uuid.NewString()
	open := func(kind string) (id string) {
		t.Helper()
		err := w.do(func(ctx context.Context, tx pgx.Tx) (err error) {
			id, err = mailbox.OpenIncident(ctx, tx, events.Shipping, order, kind, "because")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	closes := func(kind string) {
		t.Helper()
		err := w.do(func(ctx context.Context, tx pgx.Tx) error {
			return mailbox.CloseIncident(ctx, tx, events.Shipping, order, kind, "mended")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(incidents, opened, resolved int) {
		t.Helper()
		for query, want := range map[string]int{
			`SELECT count(*) FROM incident`:                                                incidents,
			`SELECT count(*) FROM outbox WHERE type = 'saga.shipping.IncidentOpened.v1'`:   opened,
			`SELECT count(*) FROM outbox WHERE type = 'saga.shipping.IncidentResolved.v1'`: resolved,
		} {
			if n := w.count(query); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
	}
	closes("lost") // there is none
	expect(0, 0, 0)
	first := open("lost")
	if again := open("lost"); again != first {
		t.Errorf("opened twice: %s and %s", first, again)
	}
	expect(1, 1, 0)
	if other := open("late"); other == first {
		t.Error("another kind is the same incident")
	}
	expect(2, 2, 0)
	closes("lost")
	closes("lost")
	expect(2, 2, 1)
	if next := open("lost"); next == first {
		t.Error("an incident that was closed is open again under its old id")
	}
	expect(3, 3, 1)
	if n := w.count(`SELECT count(*) FROM incident WHERE id = $1 AND resolution = 'mended' AND resolved_at IS NOT NULL AND reason = 'because'`, first); n != 1 {
		t.Error("the closed incident does not say how it ended")
	}
}

func TestManyOpenOneIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := uuid.NewString()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			err := w.do(func(ctx context.Context, tx pgx.Tx) (err error) {
				ids[i], err = mailbox.OpenIncident(ctx, tx, events.Shipping, order, "lost", "because")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("opened %s and %s", ids[0], id)
		}
	}
	if n := w.count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("it was announced %d times", n)
	}
}
