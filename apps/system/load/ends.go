package load

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// End is how and when an order's saga ended.
type End struct {
	Confirmed bool // otherwise it was cancelled
	At        time.Time
}

// Ends are the ends of sagas. An end may be recorded before its order's number is known to whoever waits for it:
// the events of a saga can be faster than the answer to the request. The end of an order that nobody waits for is
// kept, so an Ends should live as long as one load.
type Ends struct {
	mu   sync.Mutex
	ends map[string]chan End // by order
}

// NewEnds is empty.
func NewEnds() *Ends { return &Ends{ends: map[string]chan End{}} }

// Watch records the ends that the stream announces, until ctx ends. No service is asked for them.
func Watch(ctx context.Context, stream *eventlog.Stream) (*Ends, error) {
	e := NewEnds()
	for _, event := range []events.Event{events.OrderConfirmed{}, events.OrderCancelled{}} {
		_, confirmed := event.(events.OrderConfirmed)
		err := stream.Subjects(ctx, event.Type().Filter(), func(subject string) {
			e.Record(subject[strings.LastIndexByte(subject, '.')+1:], End{confirmed, time.Now()})
		})
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Record records the end of an order's saga. Only the first one counts.
func (e *Ends) Record(order string, end End) {
	select {
	case e.of(order) <- end:
	default: // the event was redelivered
	}
}

// Await waits for the end of an order's saga. It can be awaited once.
func (e *Ends) Await(ctx context.Context, order string) (End, error) {
	select {
	case end := <-e.of(order):
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.ends, order)
		return end, nil
	case <-ctx.Done():
		return End{}, fmt.Errorf("wait for the end of order %s: %w", order, ctx.Err())
	}
}

func (e *Ends) of(order string) chan End {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ends[order] == nil {
		e.ends[order] = make(chan End, 1)
	}
	return e.ends[order]
}
