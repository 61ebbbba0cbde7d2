package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/endpoints"
)

// Count counts rows in a service's database.
func (s *System) Count(t testing.TB, service, sql string, args ...any) int {
	t.Helper()
	return Query[int](t, s.At.Databases[service], sql, args...)
}

// State is what a service's table says about an order; empty while it says nothing.
func (s *System) State(t testing.TB, service, table, id string) string {
	t.Helper()
	return Query[string](t, s.At.Databases[service], "SELECT coalesce(max(state), '') FROM "+table+" WHERE order_id = $1", id)
}

// AwaitState waits until a service's table says something about an order.
func (s *System) AwaitState(t testing.TB, service, table, id, want string) {
	t.Helper()
	Eventually(t, service+" to have order "+id+" "+want, func() error {
		if got := s.State(t, service, table, id); got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// Gateway is how many charges and refunds the card gateway itself knows of an order.
func (s *System) Gateway(t testing.TB, id string) (captured, refunded int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		s.At.URLs[endpoints.Gateway]+"/v1/charges?merchant_reference="+url.QueryEscape(id), nil)
	Must(t, err)
	response, err := http.DefaultClient.Do(request)
	Must(t, err)
	defer response.Body.Close()
	var known struct {
		Charges []struct {
			Refunds []struct{ ID string } `json:"refunds"`
		} `json:"charges"`
	}
	if err := json.NewDecoder(response.Body).Decode(&known); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the gateway answers %s (%v)", response.Status, err)
	}
	for _, charge := range known.Charges {
		captured++
		refunded += len(charge.Refunds)
	}
	return captured, refunded
}

// StockIs says what is different from the expected stock; nil: nothing.
func (s *System) StockIs(t testing.TB, sku string, available, reserved, sold int64) error {
	t.Helper()
	all, err := s.Shop.Stock(t.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Sku == sku && (s.Available != available || s.Reserved != reserved || s.Sold != sold) {
			return fmt.Errorf("%d available, %d reserved, %d sold", s.Available, s.Reserved, s.Sold)
		}
	}
	return nil
}

// Query reads one value.
func Query[T any](t testing.TB, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	err = conn.QueryRow(t.Context(), sql, args...).Scan(&value)
	if err = errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))); err != nil {
		t.Fatalf("%s: %v", strings.Join(strings.Fields(sql), " "), err)
	}
	return value
}

// Status is what a service answered, when an error is its refusal.
func Status(err error) int {
	if refused := (*endpoints.Refused)(nil); errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// Deref is the text, or nothing.
func Deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
