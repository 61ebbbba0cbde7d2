package outbox_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// A step of several events gets the new ones of a batch in one call, in the order of their keys. Of two events with one
// key the second comes in a later call. Each answer follows from its own event.
func TestHandleBatch_OneCallForAllKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls [][]string
	w.config.Handlers[1] = outbox.HandleBatch(func(ctx context.Context, tx pgx.Tx, events []asked) ([]event, error) {
		keys, answers := make([]string, len(events)), make([]event, len(events))
		for i, e := range events {
			keys[i] = e.Key
			if i > 0 { // the first has no answer
				answers[i] = failed{Key: e.Key, Reason: outbox.CausesOf(ctx)[i].EventID}
			}
		}
		calls = append(calls, keys)
		_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, key) SELECT gen_random_uuid(), * FROM unnest($1::uuid[])`, keys)
		return answers, err
	})
	var keys []string
	for range 50 {
		keys = append(keys, uuid.NewString())
	}
	for range 2 {
		for _, key := range keys {
			w.sendAbout(key)
		}
	}
	_, stop := w.start()
	w.settled()
	stop()
	if len(calls) > 20 {
		t.Errorf("%d calls for 100 events that were all there", len(calls))
	}
	handled := 0
	for _, call := range calls {
		handled += len(call)
		if !slices.IsSorted(call) || len(slices.Compact(slices.Clone(call))) != len(call) {
			t.Errorf("a call has the keys %v", call)
		}
	}
	if n := w.count(`SELECT count(*) FROM effect`); n != 100 || handled != 100 {
		t.Errorf("100 events had %d effects in calls of %d", n, handled)
	}
	if n := w.count(`SELECT count(*) FROM outbox`); n != 100-len(calls) {
		t.Errorf("%d answers in %d calls, want one fewer than events in each call", n, len(calls))
	}
	wrong := `SELECT count(*) FROM outbox, LATERAL (SELECT convert_from(payload, 'UTF8')::json AS p) AS o WHERE p->'Data'->>'Reason' <> p->>'Cause'`
	if n := w.count(wrong); n != 0 {
		t.Errorf("%d answers do not follow from their own events", n)
	}
}

func TestHandleBatch_ABadEventDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := uuid.NewString()
	var cured, wrongCount atomic.Bool
	w.config.Handlers[1] = outbox.HandleBatch(func(ctx context.Context, tx pgx.Tx, events []asked) ([]event, error) {
		if wrongCount.CompareAndSwap(false, true) {
			return make([]event, len(events)+1), nil
		}
		for _, e := range events {
			if e.Key == bad && !cured.Load() {
				return nil, errors.New("no luck")
			}
			if _, err := tx.Exec(ctx, `INSERT INTO effect (event_id, key) VALUES (gen_random_uuid(), $1)`, e.Key); err != nil {
				return nil, err
			}
		}
		return nil, nil // no answers
	})
	w.send(10)
	w.sendAbout(bad)
	w.send(10)
	w.start()
	w.eventually(20, "the others to take effect", `SELECT count(*) FROM effect`)
	cured.Store(true)
	w.eventually(21, "all to take effect", `SELECT count(*) FROM effect`)
	w.settled()
}

func TestUpcast_TheStepGetsTheNewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var prepared, reasons atomic.Value
	w.config.Prepare = func(_ context.Context, _ pgx.Tx, events []any) error {
		prepared.Store(events[0])
		return nil
	}
	step := func(_ context.Context, _ pgx.Tx, e asked) (event, error) {
		reasons.Store(e.Reason)
		return nil, nil
	}
	newer := func(e askedEarlier) asked { return asked{Key: e.Key, Reason: e.Why} }
	w.config.Handlers = []outbox.Handler{outbox.Handle(step), outbox.Upcast(newer, outbox.Handle(step))}
	w.start()
	id, key := uuid.NewString(), uuid.NewString()
	old, err := encode(id, "toy.in.", askedEarlier{Key: key, Why: "because"}, outbox.Cause{})
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(key, old.Payload)
	testkit.Eventually(t, within, "the step to run", func() bool { return reasons.Load() == "because" })
	if got := prepared.Load(); got != (asked{Key: key, Reason: "because"}) {
		t.Errorf("prepared %+v", got)
	}
	w.eventually(1, "the event to be stored as what it was", `SELECT count(*) FROM inbox WHERE event_id = $1 AND type = 'toy.askedEarlier'`, id)
}

func TestRetry_IsReportedUntilTheEventTakesEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before(func(context.Context, asked) error { return errors.New("the lorry is late") })
	w.start()
	id, key, message := request(t)
	w.deliver(key, message)
	const often = 4
	testkit.Eventually(t, within, "the event to be retried", func() bool { _, found := w.retries(often); return found })
	got, _ := w.retries(often)
	if got.EventID != id || got.Key != key || got.Type != "toy.asked" || got.Attempts < often || got.Reason == "" ||
		got.Since.After(got.LastAt) || !got.NextAt.After(got.LastAt) {
		t.Errorf("%+v", got)
	}
	w.before(func(context.Context, asked) error { return nil })
	w.eventually(1, "it to take effect", `SELECT count(*) FROM effect`)
	testkit.Eventually(t, within, "it to be settled", func() bool { _, found := w.retries(1); return !found })

	w.before(func(context.Context, asked) error { return errors.New("the lorry is late") })
	w.send(1)
	testkit.Eventually(t, within, "the event to be retried", func() bool { _, found := w.retries(1); return found })
	w.before(func(context.Context, asked) error { return outbox.DeadLetter(errors.New("there is no lorry")) })
	w.eventually(1, "a dead letter", `SELECT count(*) FROM dead_letter`)
	testkit.Eventually(t, within, "it to be settled", func() bool { _, found := w.retries(1); return !found })
}
