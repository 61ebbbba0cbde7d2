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

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/postgres"
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

// gatewayCharge is a charge as the card gateway itself knows it.
type gatewayCharge struct {
	ID       string                `json:"id"`
	Currency string                `json:"currency"`
	Refunds  []struct{ ID string } `json:"refunds"`
}

func (s *System) charges(t testing.TB, id string) []gatewayCharge {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		s.At.URLs[endpoints.Gateway]+"/v1/charges?merchant_reference="+url.QueryEscape(id), nil)
	Must(t, err)
	var known struct {
		Charges []gatewayCharge `json:"charges"`
	}
	answered(t, request, http.StatusOK, &known)
	return known.Charges
}

func answered(t testing.TB, request *http.Request, want int, into any) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	Must(t, err)
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != want {
		t.Fatalf("the gateway answers %s (%v)", response.Status, err)
	}
}

// Gateway is how many charges and refunds the card gateway itself knows of an order.
func (s *System) Gateway(t testing.TB, id string) (captured, refunded int) {
	t.Helper()
	for _, charge := range s.charges(t, id) {
		captured++
		refunded += len(charge.Refunds)
	}
	return captured, refunded
}

// RefundRefusals sets which refunds the gateway refuses: those of the card's token, or never.
func (s *System) RefundRefusals(t testing.TB, which string) {
	t.Helper()
	Must(t, s.At.AskAdmin(t.Context(), endpoints.AdminRequest{
		Process: endpoints.Gateway, Method: http.MethodPut, Path: "/faults", Body: map[string]string{"refund_refusals": which},
	}, nil))
}

// RefundByHand refunds a part of an order's charge at the gateway, past payment and even where the card takes nothing
// back. It returns the gateway's name of the refund.
func (s *System) RefundByHand(t testing.TB, id string, amount int64) string {
	t.Helper()
	s.RefundRefusals(t, "never")
	defer s.RefundRefusals(t, "token")
	charge := s.charges(t, id)[0]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.At.URLs[endpoints.Gateway]+"/v1/refunds",
		strings.NewReader(fmt.Sprintf(`{"charge_id": %q, "amount": %d, "currency": %q}`, charge.ID, amount, charge.Currency)))
	Must(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprintf("by-hand-%s-%d", id, len(charge.Refunds)))
	var made struct{ ID string }
	answered(t, request, http.StatusCreated, &made)
	return made.ID
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
	conn, err := postgres.Connect(t.Context(), url, postgres.Reading)
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
