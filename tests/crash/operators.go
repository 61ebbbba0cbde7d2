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

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit/saga"
)

// operate is an operator's action at a service: payment repairs a refused refund, the others redrive.
func operate(t *testing.T, l *lane, service string) {
	t.Helper()
	if service != "payment" {
		redrive(t, l, service)
		return
	}
	refused := another(t, l, saga.Order{Token: "tok_refund_refused", Country: "AQ"})
	var page struct {
		Incidents []struct{ ID string } `json:"incidents"`
	}
	eventually(t, "the refused refund to be an incident", func() error {
		return l.desk(t, service, "/incidents?open=true&order="+refused.ID, &page, func() bool { return len(page.Incidents) == 1 })
	})
	l.act(t, service, "/incidents/"+page.Incidents[0].ID+"/resolve", map[string]any{
		"expected_state": "REFUND_REFUSED", "expected_refund_number": 1, "outcome": "settlement", "reference": "transfer 4711",
	})
	if end := l.saga.AwaitEnd(t, refused.ID); end.Status != "CANCELLED" {
		t.Errorf("the repaired order ended %s", end.Status)
	}
}

// redrive has an event about an order that was declined long ago spoilt on its way to the service, which parks it, and
// an operator redrive it as it should have been. It is an event of which the order takes no harm.
func redrive(t *testing.T, l *lane, service string) {
	t.Helper()
	order := events.Subject{OrderID: l.saga.AwaitEnd(t, another(t, l, saga.Order{Token: "tok_declined"}).ID).ID}
	said := map[string]events.Event{
		"order":     events.InventoryReleased{Subject: order, Reason: "declined"},
		"inventory": events.PaymentFailed{Subject: order, Reason: "declined"},
		"payment":   events.ShipmentFailed{Subject: order, Reason: "cancelled"},
		"shipping":  events.OrderCancelRequested{Subject: order, Reason: "customer"},
	}[service]
	message, err := events.Encode(uuid.Must(uuid.NewV7()).String(), time.Now(), events.Cause{}, said)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := bytes.Replace(message, []byte(said.Type().String()), []byte("saga.nobody.Nothing.v1"), 1)
	l.publish(t, string(said.Type().Service), said.Type().SubjectOf(order.OrderID), string(spoilt))
	var page struct {
		Letters []mailbox.DeadLetter `json:"dead_letters"`
	}
	path := "/dead-letters?order=" + order.OrderID
	eventually(t, "the spoilt event to be parked", func() error {
		return l.desk(t, service, path, &page, func() bool { return len(page.Letters) == 1 })
	})
	l.act(t, service, "/dead-letters/"+page.Letters[0].ID+"/redrive", map[string]any{
		"expected_attempts": page.Letters[0].Attempts, "payload": json.RawMessage(message),
	})
	eventually(t, "the letter to be redriven", func() error {
		return l.desk(t, service, path, &page, func() bool {
			return page.Letters[0].ClosedAs != nil && *page.Letters[0].ClosedAs == mailbox.Redriven
		})
	})
}

// act sends an operator's wish, with the same key until it is answered.
func (l *lane) act(t *testing.T, service, path string, wish map[string]any) {
	t.Helper()
	wish["by"], wish["why"] = "grace", "it is mended"
	key := uuid.NewString()
	eventually(t, "the operator is answered", func() error {
		return l.system.Describe().AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodPost, Path: path, Body: wish, Key: key}, nil)
	})
}

// desk asks a service's admin listener, and wants something of the answer.
func (l *lane) desk(t *testing.T, service, path string, into any, wanted func() bool) error {
	t.Helper()
	err := l.system.Describe().AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: path}, into)
	if err == nil && !wanted() {
		err = fmt.Errorf("%s of %s answers %+v", path, service, into)
	}
	return err
}
