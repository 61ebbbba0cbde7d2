package order

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/sagaview"
)

// anOrder is the order that the kept events are about.
const anOrder = "01936f2e-7c00-7000-8000-000000000001"

func TestPacts_OrderReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	placed := request(t, newID(t), twoWidgets)
	placed.id = anOrder
	if _, err := (intake{tx: in(pool), deadline: time.Hour}).commit(t.Context(), []placement{placed}); err != nil {
		t.Fatal(err)
	}
	found := map[string][]pact.Interaction{
		"inventory": readOf(t, "an order is reserved", "/v1/reservations/", `{"order_id": "`+anOrder+`", "state": "RESERVED", "lines": [],
			"created_at": "2026-11-22T10:15:00Z", "updated_at": "2026-11-22T10:15:00Z"}`),
		"payment": readOf(t, "an order is paid", "/v1/payments/", `{"order_id": "`+anOrder+`", "state": "CAPTURED", "cancel_wanted": false,
			"amount": {"amount": 3998, "currency": "USD"}, "attempts": 1, "charge_id": "ch_1",
			"created_at": "2026-11-22T10:15:00Z", "updated_at": "2026-11-22T10:15:01Z"}`),
		"shipping": readOf(t, "an order is shipped", "/v1/shipments/", `{"order_id": "`+anOrder+`", "state": "CREATED", "shipment_id": "shp_1",
			"created_at": "2026-11-22T10:15:02Z"}`),
	}
	for _, event := range events.Subscriptions[events.Order] {
		reads := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, handlePrepared, "orders", "order_history", "order_incident")
		})
		found[string(event.Service)] = append(found[string(event.Service)], reads)
	}
	pacttest.Keep(t, "order", found)
}

// handlePrepared is a step as the inbox calls it.
func handlePrepared(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	if err := lockBatch(ctx, tx, []events.Event{event}); err != nil {
		return nil, err
	}
	return react(ctx, tx, event)
}

// readOf is what the order service reads of another service's answer.
func readOf(t *testing.T, state, path, answer string) []pact.Interaction {
	t.Helper()
	call := pacttest.Call{Description: "the part in an order, where " + state, State: state, Params: map[string]string{"order_id": anOrder}, Status: http.StatusOK, Answer: answer}
	calls := map[string]pacttest.Call{"GET " + path + anOrder: call}
	var clients *sagaview.Clients
	return pacttest.Calls(t, calls, func(url string) (string, error) {
		if clients == nil {
			clients = sagaview.NewClients(sagaview.Addresses{Inventory: url, Payment: url, Shipping: url}, time.Minute)
		}
		saga := clients.Saga(t.Context(), api.Order{Id: anOrder})
		shown, err := json.Marshal([]sagaview.ServiceStatus{saga.Inventory, saga.Payment, saga.Shipping})
		return string(shown), err
	})
}

func TestPacts_OrderPublishesWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, v := range []eventVersion{1, 2} {
		if _, err := (intake{tx: in(pool), deadline: time.Hour, version: v}).commit(t.Context(), []placement{request(t, newID(t), twoWidgets)}); err != nil {
			t.Fatal(err)
		}
	}
	shipped, undone, stuck := order(t, pool, time.Hour), order(t, pool, time.Hour), order(t, pool, time.Hour)
	cancel(t, pool, undone)
	answers := deliver(t, pool,
		shipment(shipped),
		events.InventoryReleased{Subject: events.Subject{OrderID: undone}, Reason: "customer"},
		events.IncidentOpened{Subject: events.Subject{OrderID: stuck}, IncidentID: newID(t), Service: "payment", Kind: "refund_refused", Reason: "closed"})
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return messaging.Publish(t.Context(), tx, answers...) }); err != nil {
		t.Fatal(err)
	}
	pacttest.Publishes(t, events.Order, pool)
}

func TestPacts_OrderAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	s := open(t)
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	none := func(*testing.T, map[string]string) map[string]string { return nil }
	pacttest.Answers(t, "order", httputil.NewSingleHostReverseProxy(target), map[string]pacttest.State{
		"widgets are sold": none,
		"there are two orders": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			orders(t, s.pool, 2, time.Hour)
			return nil
		},
		"an order is pending": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			return map[string]string{"order_id": order(t, s.pool, time.Hour)}
		},
		"an order is being charged": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			s.others.answers["reservations"] = `{"state": "RESERVED"}`
			s.others.answers["payments"] = `{"state": "INTENT", "attempts": 1}`
			return map[string]string{"order_id": order(t, s.pool, time.Hour)}
		},
		"an order is cancelled": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			id := order(t, s.pool, time.Hour)
			deliver(t, s.pool, events.InventoryRejected{Subject: events.Subject{OrderID: id}, Reason: "out_of_stock: widget"})
			return map[string]string{"order_id": id}
		},
	})
}
