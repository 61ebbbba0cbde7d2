package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// Whatever is in a message, it is stored with its reason, and what comes after it is handled.
func TestDeadLetter_WhatCannotBeReadIsStored(t *testing.T) {
	t.Parallel()
	replaced := func(old, new string) func([]byte) []byte {
		return func(message []byte) []byte { return bytes.ReplaceAll(message, []byte(old), []byte(new)) }
	}
	for name, test := range map[string]struct {
		spoil  func(message []byte) []byte
		reason string
	}{
		"not JSON":                       {func([]byte) []byte { return []byte("hello") }, "not an envelope"},
		"nothing":                        {func([]byte) []byte { return nil }, "not an envelope"},
		"half of it":                     {func(m []byte) []byte { return m[:len(m)/2] }, "not an envelope"},
		"broken UTF-8":                   {replaced("asked", "a\xffb"), "unknown event"},
		"a NUL":                          {replaced("asked", `a\u0000b`), "unknown event"},
		"a very long type":               {replaced("asked", strings.Repeat("x", 30000)), "unknown event"},
		"an event that is not handled":   {replaced("asked", "failed"), "toy does not handle failed"},
		"data of another shape":          {replaced(`"Data":{`, `"Data":[],"x":{`), "data of"},
		"an event id that is not a UUID": {replaced(`"ID":"`, `"ID":"x`), "is not a UUID"},
		"a key that is not a UUID":       {replaced(`"Key":"`, `"Key":"x`), "is not a UUID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var reasons atomic.Pointer[outbox.DeadLetterRow]
			w.config.OnDeadLetter = func(ctx context.Context, tx pgx.Tx, row outbox.DeadLetterRow) error {
				reasons.Store(&row)
				_, err := tx.Exec(ctx, `SELECT FROM dead_letter WHERE id = $1`, row.ID)
				return err
			}
			w.start()
			_, key, message := request(t)
			spoilt := test.spoil(message)
			w.deliver(key, spoilt)
			w.send(1)
			w.eventually(1, "what came after to take effect", `SELECT count(*) FROM effect`)
			w.settled()
			if n := w.count(`SELECT count(*) FROM dead_letter WHERE reason LIKE '%' || $1 || '%' AND payload = $2 AND subject = $3 AND attempts = 1`,
				test.reason, append([]byte{}, spoilt...), subjectOf(key)); n != 1 {
				t.Errorf("%d dead letters are the message and its reason %q", n, test.reason)
			}
			if n := w.count(`SELECT count(*) FROM inbox`); n != 1 {
				t.Errorf("the inbox has %d rows, want the good event's alone", n)
			}
			if n := w.counted(outbox.DeadLetters); n != 1 {
				t.Errorf("%v dead letters were counted", n)
			}
			if row := reasons.Load(); row == nil || !strings.Contains(row.Reason, test.reason) || row.Subject != subjectOf(key) {
				t.Errorf("the application got %+v", row)
			}
		})
	}
}

// What the application does about a dead letter is committed with it, or neither is.
func TestDeadLetter_IsStoredWithWhatTheApplicationDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var failing atomic.Bool
	failing.Store(true)
	w.config.OnDeadLetter = func(ctx context.Context, tx pgx.Tx, row outbox.DeadLetterRow) error {
		if failing.Load() {
			return errors.New("no luck")
		}
		_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, key) VALUES ($1, $1)`, row.ID)
		return err
	}
	w.start()
	w.deliver(uuid.NewString(), []byte("hello"))
	testkit.Eventually(t, within, "the message to be redelivered", func() bool { return w.counted(outbox.Redeliveries) > 0 || w.consumer().NumRedelivered > 0 })
	if n := w.count(`SELECT count(*) FROM dead_letter`); n != 0 {
		t.Errorf("%d dead letters are stored without what the application does", n)
	}
	failing.Store(false)
	w.eventually(1, "both", `SELECT count(*) FROM effect JOIN dead_letter ON effect.event_id = id`)
	w.settled()
}

func TestDeadLetter_AStepMarksWhatARetryCannotCure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cured atomic.Bool
	id, key, message := request(t)
	w.before(func(ctx context.Context, _ asked) error {
		if outbox.CauseOf(ctx).EventID == id && !cured.Load() {
			return outbox.DeadLetter(errors.New("no such planet"))
		}
		return nil
	})
	w.send(10)
	w.deliver(key, message)
	w.send(10)
	w.start()
	w.eventually(20, "the others to take effect", `SELECT count(*) FROM effect`)
	w.settled()
	if n := w.count(`SELECT count(*) FROM dead_letter WHERE event_id = $1 AND key = $2 AND type = 'toy.asked' AND reason LIKE '%no such planet%'`, id, key); n != 1 {
		t.Fatalf("%d dead letters", n)
	}

	// The same message once more is the same dead letter.
	w.deliver(key, message)
	w.eventually(2, "the second attempt to be counted", `SELECT attempts FROM dead_letter`)
	if n := w.count(`SELECT count(*) FROM dead_letter WHERE last_at > first_at`); n != 1 {
		t.Error("the dead letter does not know when it was tried last")
	}

	// And when it can be handled at last, it takes effect: the inbox does not know it.
	cured.Store(true)
	w.deliver(key, message)
	w.eventually(1, "the effect", `SELECT count(*) FROM effect WHERE event_id = $1`, id)
}

// A dead letter is stored before the delivery is ended, whatever happens between.
func TestDeadLetter_AnInterruptedOneIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.InboxPoison, failpoint.InboxDeadLetter} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1})
			hold := w.arm(failpoint.Fault{Point: failpoint.InboxPoison, Kind: failpoint.Hold, Times: 1})
			w.start()
			w.deliver(uuid.NewString(), []byte("hello"))
			if point == failpoint.InboxDeadLetter {
				w.held(hold)
				if c := w.consumer(); c.NumAckPending != 1 {
					t.Error("the delivery was ended before it was stored")
				}
				w.faults.Release(hold)
			} else {
				w.faults.Clear(hold)
			}
			w.settled()
			if n := w.count(`SELECT count(*) FROM dead_letter`); n != 1 {
				t.Errorf("%d dead letters", n)
			}
		})
	}
}

// A letter is handled in the caller's transaction, once, and a step that fails leaves that transaction usable.
func TestRedeliver_TakesEffectOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, err := outbox.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	id, key, message := request(t)
	redeliver := func(payload []byte) (applied bool, failure error) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
			applied, failure = o.Redeliver(t.Context(), tx, payload)
			_, err := tx.Exec(t.Context(), `SELECT 1`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return applied, failure
	}
	w.before(func(context.Context, asked) error { return errors.New("no luck") })
	if applied, err := redeliver(message); applied || err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("a step that fails: applied %v, %v", applied, err)
	}
	w.before(func(context.Context, asked) error { return nil })
	for _, want := range []bool{true, false} {
		if applied, err := redeliver(message); applied != want || err != nil {
			t.Errorf("applied %v, %v; want %v", applied, err, want)
		}
	}
	if n := w.count(`SELECT count(*) FROM effect WHERE event_id = $1 AND key = $2`, id, key); n != 1 {
		t.Errorf("%d effects", n)
	}
	if n := w.count(`SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM outbox)`); n != 2 {
		t.Errorf("%d rows of inbox and outbox, want one each", n)
	}
	if applied, err := redeliver([]byte("hello")); applied || err == nil {
		t.Errorf("what cannot be read: applied %v, %v", applied, err)
	}
}
