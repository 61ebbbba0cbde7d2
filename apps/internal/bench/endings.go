package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// endings hears from the stream which orders have ended. Nobody is polled.
type endings struct {
	mu    sync.Mutex
	ended map[string]chan bool // closed when heard; true inside: confirmed
}

func newEndings(ctx context.Context, stream *eventlog.Stream) (*endings, error) {
	e := &endings{ended: map[string]chan bool{}}
	for _, end := range []events.Event{events.OrderConfirmed{}, events.OrderCancelled{}} {
		_, confirmed := end.(events.OrderConfirmed)
		err := stream.Subjects(ctx, end.Type().Filter(), func(subject string) {
			e.heard(subject[strings.LastIndexByte(subject, '.')+1:], confirmed)
		})
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// of is where the end of an order is told, whoever comes first: who waits, or who heard.
func (e *endings) of(id string) chan bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended[id] == nil {
		e.ended[id] = make(chan bool, 1)
	}
	return e.ended[id]
}

func (e *endings) heard(id string, confirmed bool) {
	select {
	case e.of(id) <- confirmed:
	default: // heard twice
	}
}

// end waits for the end of an order's saga.
func (e *endings) end(ctx context.Context, id string) error {
	select {
	case confirmed := <-e.of(id):
		e.mu.Lock()
		delete(e.ended, id)
		e.mu.Unlock()
		if !confirmed {
			return errors.New("order " + id + " was cancelled")
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("order %s did not end within %v", id, patience)
	case <-ctx.Done():
		return ctx.Err()
	}
}
