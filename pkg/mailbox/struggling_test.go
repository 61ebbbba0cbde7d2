package mailbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit"
)

// What fails for a moment is tried again, for ever. It is seen while it is, and no longer.
func TestAnEventThatFailsAgainAndAgainIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before(func(context.Context, events.OrderCancelRequested) error { return errors.New("the lorry is late") })
	m, _ := w.start()
	id, order, message := request(t)
	began := time.Now().Add(-time.Minute) // the broker's clock need not be ours
	w.deliver(order, message)
	testkit.Eventually(t, within, "the event to struggle", func() bool { return len(m.Struggling(mailbox.Struggles)) == 1 })
	got := m.Struggling(1)[0]
	if got.EventID != id || got.OrderID != order || got.Type != "saga.order.OrderCancelRequested.v1" || got.Attempts < mailbox.Struggles ||
		!strings.Contains(got.Reason, "the lorry is late") || got.Since.Before(began) || got.Since.After(got.LastAt.Add(time.Minute)) || !got.NextAt.After(got.LastAt) {
		t.Errorf("%+v", got)
	}
	if n := w.counted("struggling_events"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	w.before(func(context.Context, events.OrderCancelRequested) error { return nil })
	w.eventually(1, "it to take effect", `SELECT count(*) FROM effect`)
	testkit.Eventually(t, within, "it to be forgotten", func() bool { return len(m.Struggling(1)) == 0 })
}

// Whoever is parked struggles no more.
func TestAParkedEventDoesNotStruggle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before(func(context.Context, events.OrderCancelRequested) error { return errors.New("the lorry is late") })
	m, _ := w.start()
	w.send(1)
	testkit.Eventually(t, within, "the event to be put off", func() bool { return len(m.Struggling(1)) == 1 })
	w.before(func(context.Context, events.OrderCancelRequested) error {
		return mailbox.Poison(errors.New("there is no lorry"))
	})
	w.eventually(1, "it to be parked", `SELECT count(*) FROM dead_letter`)
	testkit.Eventually(t, within, "it to be forgotten", func() bool { return len(m.Struggling(1)) == 0 })
}
