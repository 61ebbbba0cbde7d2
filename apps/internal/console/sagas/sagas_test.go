package sagas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/internal/console/sagas"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// open serves a board over a broker of the test's own.
func open(t *testing.T) (string, *testkit.NATS) {
	t.Helper()
	broker := testkit.Broker(t)
	return serve(t, broker), broker
}

func serve(t *testing.T, broker *testkit.NATS) string {
	t.Helper()
	at, end := serveUntil(t, broker)
	t.Cleanup(end)
	return at
}

func serveUntil(t testing.TB, broker *testkit.NATS) (at string, end func()) {
	t.Helper()
	board := sagas.NewBoard(broker.URL(natsadmin.Console), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- board.Run(ctx) }()
	const nobody = "http://127.0.0.1:1"
	system := endpoints.Description{
		URLs: map[string]string{"order": nobody, endpoints.Gateway: nobody}, Admin: map[string]string{"payment": nobody},
	}
	shop, err := client.New(system)
	if err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	router.Route("/sagas", board.Routes(system, shop))
	server := httptest.NewServer(router)
	return server.URL + "/sagas/", func() {
		cancel()
		server.CloseClientConnections() // the streams end with them
		server.Close()
		if err := <-ended; err != nil {
			t.Errorf("the board ended with %v", err)
		}
	}
}

// publish publishes an event under an id, as a message of its own.
func publish(t *testing.T, broker *testkit.NATS, id string, event events.Event) {
	t.Helper()
	message, err := events.Encode(id, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	js, err := broker.Connect(t, event.Type().Service).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(event.Type().SubjectOf(event.Order()), message, nats.MsgId(uuid.NewString())); err != nil {
		t.Fatal(err)
	}
}

func created(order string) events.Event {
	return events.OrderCreated{Snapshot: events.Snapshot{
		OrderID: order, Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}},
		Total: events.Money{Amount: 3998, Currency: "USD"},
	}}
}

func TestUpdates_ShowASagaAsItHappens(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order, another := uuid.NewString(), uuid.NewString()
	publish(t, broker, uuid.NewString(), created(order))
	p := openPage(t, at+"watch", "")
	first := p.until(about(order, "OrderCreated"))
	s := first.Sagas[0]
	if s.State != sagaview.InProgress || s.Services[events.Inventory] != sagaview.Processing || !strings.Contains(s.What, "2 × widget") {
		t.Errorf("it begins as %+v", s)
	}
	publish(t, broker, uuid.NewString(), created(another))
	publish(t, broker, uuid.NewString(), events.InventoryRejected{Subject: events.Subject{OrderID: order}, Reason: "out_of_stock"})
	publish(t, broker, uuid.NewString(), events.OrderCancelled{Subject: events.Subject{OrderID: order}, Reason: "out_of_stock"})
	update := p.until(about(order, "OrderCancelled"))
	for _, s := range update.Sagas {
		if s.Order == order && (s.State != sagaview.Failed || s.First != 1 || s.Last != 4) {
			t.Errorf("it ends as %+v", s)
		}
	}
}

// Of an order that began long ago the first events are not read.
func TestUpdates_ASagaIsShownFromItsOldestEventThatIsRead(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order := uuid.NewString()
	publish(t, broker, uuid.NewString(), events.InventoryReserved{Snapshot: created(order).(events.OrderCreated).Snapshot})
	publish(t, broker, uuid.NewString(), events.PaymentProcessed{Snapshot: events.Snapshot{OrderID: order}})
	for _, s := range openPage(t, at+"watch", "").until(about(order, "PaymentProcessed")).Sagas {
		if !strings.Contains(s.What, "2 × widget") || s.Services[events.Shipping] != sagaview.Processing || s.First != 1 || s.Last != 2 {
			t.Errorf("it is %+v", s)
		}
	}
}

func TestUpdates_AReturningPageGetsWhatItMissedAndNothingElse(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	old, fresh := uuid.NewString(), uuid.NewString()
	publish(t, broker, uuid.NewString(), created(old))
	p := openPage(t, at+"watch", "")
	p.until(about(old, "OrderCreated"))
	publish(t, broker, uuid.NewString(), created(fresh))
	for _, restarted := range []bool{false, true} {
		address := at
		if restarted { // a new console on the same stream
			address = serve(t, broker)
			openPage(t, address+"watch", "").until(about(fresh, "OrderCreated")) // it has read everything
		}
		back := openPage(t, address+"watch", p.last)
		update := back.until(about(fresh, "OrderCreated"))
		if len(update.Sagas) != 1 || update.Reset {
			t.Errorf("restarted %v: it gets %+v", restarted, update)
		}
	}
}

func TestUpdates_APageOfALostStreamIsReset(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order := uuid.NewString()
	publish(t, broker, uuid.NewString(), created(order))
	p := openPage(t, at+"watch", "999")
	if first := p.until(func(update sagas.Update) bool { return update.Current }); !first.Reset {
		t.Errorf("it gets %+v first", first)
	}
	if p.last == "999" {
		t.Error("it would come back with a sequence of the lost stream")
	}
}

func TestUpdates_APageOfOneOrderGetsNoOther(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	mine, other := uuid.NewString(), uuid.NewString()
	p := openPage(t, at+"watch?order="+mine, "")
	publish(t, broker, uuid.NewString(), created(other))
	publish(t, broker, uuid.NewString(), created(mine))
	update := p.until(func(u sagas.Update) bool { return len(u.Sagas) > 0 })
	if len(update.Sagas) != 1 || update.Sagas[0].Order != mine {
		t.Errorf("it gets %+v", update)
	}
}

func TestOrder_EventsAreShownWithRepetitionsWhileTheServicesAreAway(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order, id := uuid.NewString(), uuid.NewString()
	publish(t, broker, id, created(order))
	publish(t, broker, id, created(order)) // after a replay it stands there twice
	publish(t, broker, uuid.NewString(), created(uuid.NewString()))
	var answer struct{ Events []sagas.Event }
	get(t, at+order, http.StatusOK, &answer)
	if len(answer.Events) != 2 || answer.Events[0].Repeated || !answer.Events[1].Repeated || answer.Events[0].Service != "order" {
		t.Errorf("there are %+v", answer.Events)
	}
	var problem struct{ Detail string }
	get(t, at+"nonsense", http.StatusNotFound, &problem)
	if problem.Detail == "" {
		t.Error("the answer does not explain what is wrong")
	}
	get(t, at+order+"/parts", http.StatusServiceUnavailable, &problem)
}

func TestOrder_WhoCannotBeAskedForRowsIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	at, _ := open(t)
	var kept struct{ Rows []sagas.Rows }
	get(t, at+uuid.NewString()+"/rows", http.StatusOK, &kept)
	const noAddress = "does not know"
	want := map[string]string{
		"order": noAddress, "inventory": noAddress, "payment": "does not answer", "shipping": noAddress, "notification": noAddress, "gateway": "does not answer",
	}
	for _, rows := range kept.Rows {
		if !strings.Contains(rows.Problem, want[rows.Of]) {
			t.Errorf("of %s: %q", rows.Of, rows.Problem)
		}
		delete(want, rows.Of)
	}
	if len(want) > 0 {
		t.Errorf("nothing is shown of %v", want)
	}
	var problem struct{ Detail string }
	get(t, at+"nonsense/rows", http.StatusNotFound, &problem)
}

func get(t *testing.T, address string, status int, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s: %s, %v", address, response.Status, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", body, err))
	}
}
