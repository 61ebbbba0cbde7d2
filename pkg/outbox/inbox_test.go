package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestInbox_AnEventTakesEffectOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, key, message := request(t)
	w.deliver(key, message) // twice in one batch
	w.deliver(key, message)
	w.start()
	w.settled()
	w.deliver(key, message) // and again when it is long done
	w.settled()
	w.eventually(1, "one effect", `SELECT count(*) FROM effect WHERE event_id = $1 AND key = $2`, id, key)
	if n := w.count(`SELECT count(*) FROM inbox WHERE event_id = $1 AND key = $2 AND type = 'toy.asked'`, id, key); n != 1 {
		t.Errorf("the inbox has %d rows of the event", n)
	}
	if n := w.count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("the event was answered %d times", n)
	}
	if n := w.counted(outbox.Duplicates); n != 2 {
		t.Errorf("%v duplicates were absorbed, want 2", n)
	}
}

func TestInbox_AnEventIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.ContentType = "application/toy+json"
	w.start()
	id, key, message := request(t)
	w.deliver(key, message)
	w.eventually(1, "the answer to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	answer := w.published()[0]
	var got envelope
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		t.Fatal(err)
	}
	if want := `{"Key":"` + key + `","Reason":"done"}`; got.Type != "failed" || string(got.Data) != want {
		t.Errorf("answered with %s %s, want %s", got.Type, got.Data, want)
	}
	if got.Cause != id || got.Trace != traceParent {
		t.Errorf("the answer names another cause than the event: %+v", got)
	}
	if answer.Header.Get(jetstream.MsgIDHeader) != got.ID || answer.Header.Get("Content-Type") != "application/toy+json" {
		t.Errorf("the answer's headers are %v", answer.Header)
	}
	if n := w.count(`SELECT count(*) FROM outbox WHERE id = $1 AND key = $2 AND subject = $3 AND stream_seq = $4`,
		got.ID, key, answer.Subject, answer.Sequence); n != 1 {
		t.Error("the outbox row is not the message's")
	}
}

func TestInbox_ABatchIsOneTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(600)
	w.start()
	w.settled()
	w.eventually(600, "all to take effect", `SELECT count(DISTINCT event_id) FROM effect`)
	batches, transactions := w.counted(outbox.BatchEvents), w.count(`SELECT count(DISTINCT xmin::text) FROM inbox`)
	t.Logf("measured: %.1f events a transaction", 600/float64(transactions))
	if batches > 100 || float64(transactions) > batches {
		t.Errorf("%v batches and %d transactions for 600 events that were all there", batches, transactions)
	}
	w.eventually(600, "all answers to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
}

// Event ids are stored, and keys take their turns, in order, so that two replicas with the same ones do not
// deadlock; the events with one key keep the order in which they arrived. Prepare sees them as the steps will.
func TestInbox_KeysTakeTheirTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var arrival []string
	for range 20 {
		_, key, _ := request(t)
		for range 3 {
			arrival = append(arrival, w.sendAbout(key))
		}
	}
	var prepared, stepped []string
	w.config.Prepare = func(_ context.Context, _ pgx.Tx, batch []any) error {
		turns := make([]string, len(batch))
		for i, e := range batch {
			turns[i] = e.(asked).Key
		}
		if !slices.IsSorted(turns) {
			t.Errorf("the keys of a batch take their turns as %v", turns)
		}
		prepared = append(prepared, turns...)
		return nil
	}
	var ids []string
	w.before(func(ctx context.Context, e asked) error {
		stepped, ids = append(stepped, e.Key), append(ids, outbox.CauseOf(ctx).EventID)
		return nil
	})
	_, stop := w.start()
	w.eventually(60, "all to take effect", `SELECT count(*) FROM effect`)
	stop()
	unordered := `SELECT count(*) FROM (SELECT event_id, lag(event_id) OVER (PARTITION BY xmin::text ORDER BY ctid) AS before FROM inbox) AS written WHERE event_id < before`
	if n := w.count(unordered); n != 0 {
		t.Errorf("%d ids were stored before a smaller one of their batch", n)
	}
	if !slices.Equal(prepared, stepped) {
		t.Errorf("prepared %v and then stepped %v", prepared, stepped)
	}
	for i := range 20 {
		mine := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(arrival[3*i:3*i+3], id) })
		if !slices.Equal(mine, arrival[3*i:3*i+3]) {
			t.Errorf("the events with one key arrived as %v and were handled as %v", arrival[3*i:3*i+3], mine)
		}
	}
}

func TestInbox_ABadEventDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.send(50)
	var cured atomic.Bool
	w.before(func(ctx context.Context, _ asked) error {
		if outbox.CauseOf(ctx).EventID == ids[20] && !cured.Load() {
			return errors.New("no luck")
		}
		return nil
	})
	w.start()
	w.eventually(49, "the others to take effect", `SELECT count(DISTINCT event_id) FROM effect`)
	if n := w.count(`SELECT count(*) FROM inbox WHERE event_id = $1`, ids[20]); n != 0 {
		t.Error("the inbox has an event that has not taken effect")
	}
	cured.Store(true)
	w.eventually(50, "all to take effect", `SELECT count(DISTINCT event_id) FROM effect`)
	w.settled()
	if n := w.count(`SELECT count(*) FROM effect`); n != 50 {
		t.Errorf("50 events had %d effects", n)
	}
	if w.counted(outbox.BatchesSplit) == 0 || w.counted(outbox.Redeliveries) == 0 {
		t.Error("no batch was split, or nothing came again: this test has not tested it")
	}
}

func TestInbox_AFailingEventIsRetriedLaterAndLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var at []time.Time
	w.before(func(context.Context, asked) error {
		if at = append(at, time.Now()); len(at) < 4 {
			return errors.New("no luck")
		}
		return nil
	})
	_, stop := w.start()
	w.send(1)
	w.eventually(1, "the effect", `SELECT count(*) FROM effect`)
	stop()
	// Half of 100, 200, 400 ms at least: the other half is chance.
	for i, least := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond} {
		if pause := at[i+1].Sub(at[i]); pause < least {
			t.Errorf("try %d came %v after the last one, want at least %v", i+2, pause, least)
		}
	}
}

func TestInbox_APanicIsTheErrorOfOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.send(3)
	var cured atomic.Bool
	w.before(func(ctx context.Context, _ asked) error {
		if outbox.CauseOf(ctx).EventID == ids[1] && !cured.Load() {
			panic("no luck")
		}
		return nil
	})
	w.start()
	w.eventually(2, "the others to take effect", `SELECT count(*) FROM effect`)
	cured.Store(true)
	w.eventually(3, "all to take effect", `SELECT count(*) FROM effect`)
}

// A step that gets a definite error from the database and ignores it leaves a transaction that cannot be
// committed. That, too, must only concern its own event.
func TestInbox_AnIgnoredDatabaseErrorIsTheErrorOfOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.send(3)
	var cured atomic.Bool
	w.config.Handlers[1] = outbox.Handle(func(ctx context.Context, tx pgx.Tx, e asked) (event, error) {
		if outbox.CauseOf(ctx).EventID == ids[1] && !cured.Load() {
			_, _ = tx.Exec(ctx, `SELECT 1/0`)
			return nil, nil
		}
		return w.fail(ctx, tx, e)
	})
	w.start()
	w.eventually(2, "the others to take effect", `SELECT count(*) FROM effect`)
	cured.Store(true)
	w.eventually(3, "all to take effect", `SELECT count(*) FROM effect`)
}

func TestInbox_NothingIsAcknowledgedBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.InboxReceived, failpoint.InboxWritten, failpoint.InboxStepped, failpoint.InboxBeforeCommit} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hold := w.arm(failpoint.Fault{Point: point, Kind: failpoint.Hold, Times: 1})
			w.start()
			w.send(1)
			w.held(hold)
			if c := w.consumer(); c.NumAckPending != 1 || c.AckFloor.Stream != 0 {
				t.Errorf("before the commit the broker has %+v", c.AckFloor)
			}
			if n := w.count(`SELECT (SELECT count(*) FROM effect) + (SELECT count(*) FROM inbox) + (SELECT count(*) FROM outbox)`); n != 0 {
				t.Errorf("%d rows can be seen before the commit", n)
			}
			w.faults.Release(hold)
			w.settled()
			w.eventually(1, "the effect", `SELECT count(*) FROM effect`)
		})
	}
}

// Wherever a batch is interrupted, everything of it takes effect once.
func TestInbox_AnInterruptedBatchTakesEffectOnce(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{
		failpoint.InboxReceived, failpoint.InboxWritten, failpoint.InboxStepped, failpoint.InboxBeforeCommit, failpoint.InboxAfterCommit, failpoint.InboxAcked, failpoint.InboxOpened,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// Four times: the batch, then three of its events alone.
			fired := w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 4})
			w.send(20)
			w.start()
			w.eventually(20, "all to take effect", `SELECT count(DISTINCT event_id) FROM effect`)
			w.settled()
			if n := w.count(`SELECT count(*) FROM effect`); n != 20 {
				t.Errorf("20 events had %d effects", n)
			}
			if n := w.count(`SELECT count(*) FROM outbox`); n != 20 {
				t.Errorf("20 events had %d answers", n)
			}
			if a := w.faults.List()[0]; a.ID != fired || a.Fired == 0 {
				t.Error("the fault did not fire")
			}
		})
	}
}

func TestInbox_AFailpointHandlesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arm(failpoint.Fault{Point: failpoint.InboxReceived, Kind: failpoint.Duplicate, Times: 5})
	w.start()
	w.send(10)
	w.settled()
	w.eventually(10, "all to take effect", `SELECT count(*) FROM effect`)
	if n := w.counted(outbox.Duplicates); n != 5 {
		t.Errorf("%v duplicates were absorbed, want 5", n)
	}
}

func TestInbox_TwoReplicasShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.config.NATS = w.connect("app")
	w.start()
	// Every event twice, so that both will have the same one at the same time now and then.
	for range 300 {
		_, key, message := request(t)
		w.deliver(key, message)
		w.deliver(key, message)
	}
	w.settled()
	if all, once := w.count(`SELECT count(*) FROM effect`), w.count(`SELECT count(DISTINCT event_id) FROM effect`); all != 300 || once != 300 {
		t.Errorf("300 events had %d effects, %d different ones", all, once)
	}
	if n := w.counted(outbox.BatchesSplit); n != 0 {
		t.Errorf("%v batches failed: the replicas were in each other's way", n)
	}
}

// An answer that cannot be encoded will be no better the next time.
func TestInbox_AnAnswerThatCannotBeEncodedIsADeadLetter(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(asked) event{
		"an event of another application": func(e asked) event { return other{Key: e.Key} },
		"a key that is not a UUID":        func(asked) event { return failed{Key: "o1"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.config.Handlers[1] = outbox.Handle(func(_ context.Context, _ pgx.Tx, e asked) (event, error) { return answer(e), nil })
			w.start()
			w.send(1)
			w.eventually(1, "a dead letter", `SELECT count(*) FROM dead_letter`)
			if n := w.count(`SELECT count(*) FROM outbox`); n != 0 {
				t.Errorf("%d answers are in the outbox", n)
			}
			testkit.Eventually(t, within, "the delivery to be ended", func() bool { return w.consumer().NumAckPending == 0 })
		})
	}
}
