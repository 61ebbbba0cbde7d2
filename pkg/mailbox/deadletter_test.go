package mailbox_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
)

// Whatever stands in a message, it is parked with its reason, and what comes after it is handled.
func TestPoisonIsParked(t *testing.T) {
	t.Parallel()
	replaced := func(old, new string) func([]byte) []byte {
		return func(message []byte) []byte { return bytes.ReplaceAll(message, []byte(old), []byte(new)) }
	}
	for name, test := range map[string]struct {
		spoil  func(message []byte) []byte
		reason string
	}{
		"not JSON":                     {func([]byte) []byte { return []byte("hello") }, "not a CloudEvents message"},
		"nothing":                      {func([]byte) []byte { return nil }, "not a CloudEvents message"},
		"cut off":                      {func(m []byte) []byte { return m[:len(m)/2] }, "not a CloudEvents message"},
		"broken UTF-8":                 {replaced("saga.order.OrderCancelRequested.v1", "a\xffb"), "is not saga"},
		"a NUL":                        {replaced(`"reason":"`, `"reason":"\u0000`), ""},
		"a very long type":             {replaced("OrderCancelRequested", strings.Repeat("x", 30000)), "unknown event"},
		"another CloudEvents":          {replaced(`"specversion":"1.0"`, `"specversion":"0.3"`), "specversion"},
		"an event that nobody knows":   {replaced("OrderCancelRequested", "OrderDreamtOf"), "unknown event"},
		"another major version":        {replaced("OrderCancelRequested.v1", "OrderCancelRequested.v2"), "v2"},
		"an event that it hears not":   {replaced("saga.order.OrderCancelRequested", "saga.order.OrderConfirmed"), "does not hear"},
		"data of another shape":        {replaced(`"data":{`, `"data":[],"x":{`), "data of"},
		"data about another order":     {replaced(`"order_id":"`, `"order_id":"01936f2e-7c00-7000-8000-000000000009","x":"`), "is about order"},
		"data without a field":         {replaced(`"reason"`, `"because"`), "OrderCancelRequested.v1 is not what its schema says: /reason: it is required, and missing"},
		"data with another type":       {replaced(`"reason":"test"`, `"reason":7`), "/reason: it is number, must be string"},
		"an order id with a letter":    {replaced(`"order_id":"`, `"order_id":"x`), "/order_id: it must be of format uuid"},
		"an event id that is no UUID":  {replaced(`"id":"`, `"id":"x`), "is not a UUID"},
		"an order id that is no UUID":  {func(m []byte) []byte { return bytes.ReplaceAll(m, orderOf(m), []byte("o1")) }, "a UUID"},
		"an order id in another guise": {func(m []byte) []byte { return bytes.ReplaceAll(m, orderOf(m), bytes.ToUpper(orderOf(m))) }, "a UUID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			_, order, message := request(t)
			spoilt := test.spoil(message)
			w.deliver(order, spoilt)
			w.send(1)
			w.eventually(1, "what came after to take effect", `SELECT count(*) FROM effect`)
			w.settled()
			if n := w.count(`SELECT count(*) FROM dead_letter WHERE reason LIKE '%' || $1 || '%' AND payload = $2 AND subject = $3 AND attempts = 1`,
				test.reason, append([]byte{}, spoilt...), events.OrderCancelRequested{}.Type().SubjectOf(order)); n != 1 {
				t.Errorf("%d dead letters are the message and its reason %q", n, test.reason)
			}
			if n := w.count(`SELECT count(*) FROM inbox`); n != 1 {
				t.Errorf("the inbox has %d rows, want the good event's alone", n)
			}
			if n := w.counted("dead_letters_total"); n != 1 {
				t.Errorf("%v dead letters were counted", n)
			}
		})
	}
}

func orderOf(message []byte) []byte {
	envelope, _, err := events.Decode(message)
	if err != nil {
		panic(err)
	}
	return []byte(envelope.Subject)
}

func TestAStepParksWhatTryingAgainCannotCure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cured atomic.Bool
	id, order, message := request(t)
	w.before(func(ctx context.Context, _ events.OrderCancelRequested) error {
		if mailbox.CauseOf(ctx).EventID == id && !cured.Load() {
			return mailbox.Poison(errors.New("no such planet"))
		}
		return nil
	})
	w.send(10)
	w.deliver(order, message)
	w.send(10)
	w.start()
	w.eventually(20, "the others to take effect", `SELECT count(*) FROM effect`)
	w.settled()
	if n := w.count(`SELECT count(*) FROM dead_letter WHERE event_id = $1 AND order_id = $2 AND type = 'saga.order.OrderCancelRequested.v1' AND reason LIKE '%no such planet%'`, id, order); n != 1 {
		t.Fatalf("%d dead letters", n)
	}

	// The same message again is the same dead letter.
	w.deliver(order, message)
	w.eventually(2, "the second attempt to be counted", `SELECT attempts FROM dead_letter`)
	if n := w.count(`SELECT count(*) FROM dead_letter WHERE last_at > first_at`); n != 1 {
		t.Error("the dead letter does not know when it was tried last")
	}

	// And when it can be handled at last, it takes effect: the inbox does not call it known.
	cured.Store(true)
	w.deliver(order, message)
	w.eventually(1, "the effect", `SELECT count(*) FROM effect WHERE event_id = $1`, id)
}

// A dead letter is stored before the message is given up, whatever happens between.
func TestAnInterruptedParkingIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.InboxBeforePark, failpoint.InboxParked} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1})
			hold := w.arm(failpoint.Fault{Point: failpoint.InboxBeforePark, Kind: failpoint.Hold, Times: 1})
			w.start()
			w.deliver(uuid.NewString(), []byte("hello"))
			if point == failpoint.InboxParked {
				w.held(hold)
				if c := w.consumer(); c.NumAckPending != 1 {
					t.Error("the message was given up before it was parked")
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
