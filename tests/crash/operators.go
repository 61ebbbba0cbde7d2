//go:build crashmatrix

package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// operate is an operator's action at a service: payment repairs a refused refund, of which a part was made by hand, the others redrive.
func operate(t *testing.T, l *lane, service string) {
	t.Helper()
	if service != "payment" {
		redrive(t, l, service)
		return
	}
	refused := another(t, l, func(o *client.NewOrder) { o.Token, o.Country = "tok_refund_refused", "AQ" })
	var page struct {
		Incidents []struct{ ID string } `json:"incidents"`
	}
	kit.Eventually(t, "the refused refund to be an incident", func() error {
		return l.admin(t, service, "/incidents?open=true&order="+refused, &page, func() bool { return len(page.Incidents) == 1 })
	})
	l.RefundByHand(t, refused, 1)
	l.act(t, service, "/incidents/"+page.Incidents[0].ID+"/resolve", map[string]any{
		"expected_state": "REFUND_REFUSED", "expected_refund_number": 1, "outcome": "settlement", "reference": "transfer 4711",
	})
	if end := l.Ends(t, refused); end.Status != order.CANCELLED {
		t.Errorf("the repaired order ended %s", end.Status)
	}
}

// redrive has an event about an order that was declined long ago spoilt on its way to the service, which stores it as a dead letter, and
// an operator redrive it as it should have been. It is an event of which the order takes no harm.
func redrive(t *testing.T, l *lane, service string) {
	t.Helper()
	about := events.Subject{OrderID: l.Ends(t, another(t, l, token("tok_declined"))).Id}
	event := map[string]events.Event{
		"order":        events.InventoryReleased{Subject: about, Reason: "declined"},
		"inventory":    events.PaymentFailed{Subject: about, Reason: "declined"},
		"payment":      events.ShipmentFailed{Subject: about, Reason: "cancelled"},
		"shipping":     events.OrderCancelRequested{Subject: about, Reason: "customer"},
		"notification": events.OrderCancelled{Subject: about, Reason: "card_declined"},
	}[service]
	message, err := events.Encode(uuid.Must(uuid.NewV7()).String(), time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := bytes.Replace(message, []byte(event.Type().String()), []byte("saga.nobody.Nothing.v1"), 1)
	l.publish(t, string(event.Type().Service), event.Type().SubjectOf(about.OrderID), string(spoilt))
	var page struct {
		Letters []adminapi.DeadLetter `json:"dead_letters"`
	}
	path := "/dead-letters?order=" + about.OrderID
	kit.Eventually(t, "the spoilt event to be a dead letter", func() error {
		return l.admin(t, service, path, &page, func() bool { return len(page.Letters) == 1 })
	})
	l.act(t, service, "/dead-letters/"+page.Letters[0].ID+"/redrive", map[string]any{
		"expected_attempts": page.Letters[0].Attempts, "payload": json.RawMessage(message),
	})
	kit.Eventually(t, "the letter to be redriven", func() error {
		return l.admin(t, service, path, &page, func() bool {
			return page.Letters[0].ClosedAs != nil && *page.Letters[0].ClosedAs == adminapi.Redriven
		})
	})
}

// act sends an operator's request, with the same key until it is answered.
func (l *lane) act(t *testing.T, service, path string, request map[string]any) {
	t.Helper()
	request["by"], request["why"] = "grace", "it is mended"
	key := uuid.NewString()
	kit.Eventually(t, "the operator is answered", func() error {
		return l.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodPost, Path: path, Body: request, Key: key}, nil)
	})
}

// admin asks a service's admin listener, and wants something of the answer.
func (l *lane) admin(t *testing.T, service, path string, into any, wanted func() bool) error {
	t.Helper()
	err := l.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: path}, into)
	if err == nil && !wanted() {
		err = fmt.Errorf("%s of %s answers %+v", path, service, into)
	}
	return err
}
