package kit

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/verify"
	order "example.com/ordersaga/services/order/api"
)

// Place places an order that must be accepted.
func (s *System) Place(t testing.TB, wanted client.NewOrder) string {
	t.Helper()
	id, err := s.TryPlace(t.Context(), wanted)
	Must(t, err)
	return id
}

// TryPlace is [System.Place] for a customer of their own. Whoever is not answered, or answered "not now", asks
// again with the same key.
func (s *System) TryPlace(ctx context.Context, wanted client.NewOrder) (id string, err error) {
	if wanted.Key == "" {
		wanted.Key = uuid.NewString()
	}
	err = Until(ctx, "the order to be accepted", func() error {
		got, body, err := s.Shop.Place(ctx, wanted)
		if err != nil {
			return err
		}
		id = got.Id
		s.Promised(verify.Acknowledged{OrderID: id, Key: wanted.Key, Body: body})
		return nil
	})
	return id, err
}

// Promised remembers what a customer was answered; [System.Holds] wants it kept.
func (s *System) Promised(a verify.Acknowledged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, a)
}

// Ends waits until the order has ended, however often the services are away meanwhile.
func (s *System) Ends(t testing.TB, id string) order.Order {
	t.Helper()
	got, err := s.TryEnd(t.Context(), id)
	Must(t, err)
	return got
}

// TryEnd is [System.Ends] for a customer of their own.
func (s *System) TryEnd(ctx context.Context, id string) (got order.Order, err error) {
	err = Until(ctx, "order "+id+" to end", func() error {
		if got, err = s.Shop.Get(ctx, id); err != nil {
			return err
		}
		if got.Status != order.CONFIRMED && got.Status != order.CANCELLED {
			return fmt.Errorf("it is %s", got.Status)
		}
		return nil
	})
	return got, err
}
