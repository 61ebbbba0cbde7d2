package sagas

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"example.com/ordersaga/apps/running"
	"example.com/ordersaga/apps/system"
	"example.com/ordersaga/pkg/fault"
)

// gateway is how many charges and refunds the card gateway itself knows of an order.
func (w *world) gateway(t *testing.T, id string) (captured, refunded int) {
	t.Helper()
	response, err := http.Get(w.at.URLs[system.Gateway] + "/v1/charges?merchant_reference=" + url.QueryEscape(id))
	if err != nil {
		t.Fatal(err)
	}
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

// stockIs says what is different from the expected stock; nil: nothing.
func (w *world) stockIs(t *testing.T, sku string, available, reserved, sold int64) error {
	t.Helper()
	all, err := w.shop.Stock(t.Context())
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

// hold keeps a service from going beyond a point with an order, until it is released.
func (w *world) hold(t *testing.T, service string, at fault.Point, id string) (release func()) {
	t.Helper()
	var armed fault.Armament
	ask := func(method, path string, body any) {
		t.Helper()
		err := w.at.AskAdmin(t.Context(), running.AdminRequest{Process: service, Method: method, Path: path, Body: body}, &armed)
		if err != nil && method == http.MethodPost && body != nil {
			t.Fatal(err)
		}
	}
	ask(http.MethodPost, "/faults", fault.Armament{Point: at, Kind: fault.Hold, Order: id, Times: new(int)})
	return func() { ask(http.MethodDelete, "/faults/"+armed.ID, nil) }
}

// status is what a service answered, when an error is its refusal.
func status(err error) int {
	if refused := (*running.Refused)(nil); errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
