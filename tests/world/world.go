// Package world is what the tests of the whole system have in common, however it was started: customers who
// do not give up, a look into every service's tables and the card gateway's, and the checker of all
// invariants.
package world

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/verify"
	order "example.com/ordersaga/services/order/api"
)

// World is a running system and its customers.
type World struct {
	At   endpoints.Description
	Shop *client.Client

	mu    sync.Mutex
	acked []verify.Acknowledged // what customers were promised
}

// Of is the world around a running system.
func Of(t testing.TB, at endpoints.Description) *World {
	t.Helper()
	s, err := client.New(at)
	Must(t, err)
	return &World{At: at, Shop: s}
}

// Place places an order that must be accepted.
func (w *World) Place(t testing.TB, wish client.NewOrder) string {
	t.Helper()
	id, err := w.TryPlace(t.Context(), wish)
	Must(t, err)
	return id
}

// TryPlace is [World.Place] for a customer of their own. Whoever is not answered, or answered "not now", asks
// again with the same key.
func (w *World) TryPlace(ctx context.Context, wish client.NewOrder) (id string, err error) {
	if wish.Key == "" {
		wish.Key = uuid.NewString()
	}
	err = Until(ctx, "the order to be accepted", func() error {
		got, body, err := w.Shop.Place(ctx, wish)
		if err != nil {
			return err
		}
		id = got.Id
		w.Promised(verify.Acknowledged{OrderID: id, Key: wish.Key, Body: body})
		return nil
	})
	return id, err
}

// Promised remembers what a customer was answered; [World.Holds] wants it kept.
func (w *World) Promised(a verify.Acknowledged) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, a)
}

// Ends waits until the order has ended, however often the services are away meanwhile.
func (w *World) Ends(t testing.TB, id string) order.Order {
	t.Helper()
	got, err := w.TryEnd(t.Context(), id)
	Must(t, err)
	return got
}

// TryEnd is [World.Ends] for a customer of their own.
func (w *World) TryEnd(ctx context.Context, id string) (got order.Order, err error) {
	err = Until(ctx, "order "+id+" to end", func() error {
		if got, err = w.Shop.Get(ctx, id); err != nil {
			return err
		}
		if got.Status != order.CONFIRMED && got.Status != order.CANCELLED {
			return fmt.Errorf("it is %s", got.Status)
		}
		return nil
	})
	return got, err
}

// Holds has every invariant checked when the system has come to rest, and every message held against its schema. None
// of the secrets may stand in a log or an event.
func (w *World) Holds(t testing.TB, secrets ...string) {
	t.Helper()
	report, err := verify.Check(t.Context(), w.At, verify.Options{
		AtRest: true, Within: time.Minute, Acknowledged: w.acked, Secrets: secrets,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if !result.Holds {
			t.Errorf("%s does not hold: %s: %v", result.ID, result.Sentence, result.Offenders)
		}
	}
	w.Follows(t)
	if report.Counted.Orders < len(w.acked) || report.Counted.Messages == 0 {
		t.Errorf("only %+v were looked at", report.Counted)
	}
}
