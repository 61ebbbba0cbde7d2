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
	board := sagas.NewBoard(broker.URL(natsadmin.Console), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	closing, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- board.Run(ctx) }()
	const nobody = "http://127.0.0.1:1"
	system := endpoints.Description{URLs: map[string]string{"order": nobody, endpoints.Gateway: nobody}, Admin: map[string]string{"payment": nobody}}
	customer, err := client.New(system)
	if err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	router.Route("/sagas", board.Routes(system, customer, closing))
	server := httptest.NewServer(router)
	t.Cleanup(func() {
		close(closing)
		cancel()
		server.Close()
		if err := <-ended; err != nil {
			t.Errorf("the board ended with %v", err)
		}
	})
	return server.URL + "/sagas/"
}

// say publishes an event under an id, as a message of its own.
func say(t *testing.T, broker *testkit.NATS, id string, event events.Event) {
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
		OrderID: order, Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}}, Total: events.Money{Amount: 3998, Currency: "USD"},
	}}
}

func TestAPageSeesASagaGoOn(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order, another := uuid.NewString(), uuid.NewString()
	say(t, broker, uuid.NewString(), created(order))
	p := listen(t, at+"stream", "")
	first := p.hears(about(order, "OrderCreated"))
	if s := first.Sagas[0]; s.State != sagaview.InProgress || s.Services[events.Inventory] != sagaview.Processing || !strings.Contains(s.What, "2 × widget") {
		t.Errorf("it begins as %+v", s)
	}
	say(t, broker, uuid.NewString(), created(another))
	say(t, broker, uuid.NewString(), events.InventoryRejected{Subject: events.Subject{OrderID: order}, Reason: "out_of_stock"})
	say(t, broker, uuid.NewString(), events.OrderCancelled{Subject: events.Subject{OrderID: order}, Reason: "out_of_stock"})
	news := p.hears(about(order, "OrderCancelled"))
	for _, s := range news.Sagas {
		if s.Order == order && (s.State != sagaview.Failed || s.First != 1 || s.Last != 4) {
			t.Errorf("it ends as %+v", s)
		}
	}
}

func TestAPageThatComesBackIsToldWhatItMissedAndNothingElse(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	old, fresh := uuid.NewString(), uuid.NewString()
	say(t, broker, uuid.NewString(), created(old))
	p := listen(t, at+"stream", "")
	p.hears(about(old, "OrderCreated"))
	say(t, broker, uuid.NewString(), created(fresh))
	for _, restarted := range []bool{false, true} {
		address := at
		if restarted { // a new console on the same stream
			address = serve(t, broker)
			listen(t, address+"stream", "").hears(about(fresh, "OrderCreated")) // it has read everything
		}
		back := listen(t, address+"stream", p.last)
		news := back.hears(about(fresh, "OrderCreated"))
		if len(news.Sagas) != 1 || news.Reset {
			t.Errorf("restarted %v: it is told %+v", restarted, news)
		}
	}
}

func TestAPageOfAStreamThatIsGoneForgetsIt(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order := uuid.NewString()
	say(t, broker, uuid.NewString(), created(order))
	p := listen(t, at+"stream", "999")
	if first := p.hears(func(sagas.News) bool { return true }); !first.Reset {
		t.Errorf("it is told %+v at first", first)
	}
	if p.last == "999" {
		t.Error("it would come back as somebody from the stream that is gone")
	}
}

func TestAPageOfOneOrderHearsOfNoOther(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	mine, other := uuid.NewString(), uuid.NewString()
	p := listen(t, at+"stream?order="+mine, "")
	say(t, broker, uuid.NewString(), created(other))
	say(t, broker, uuid.NewString(), created(mine))
	news := p.hears(func(n sagas.News) bool { return len(n.Sagas) > 0 })
	if len(news.Sagas) != 1 || news.Sagas[0].Order != mine {
		t.Errorf("it is told %+v", news)
	}
}

func TestAnOrdersEventsAreReadWithTheirRepetitionsEvenWhenTheServicesAreAway(t *testing.T) {
	t.Parallel()
	at, broker := open(t)
	order, id := uuid.NewString(), uuid.NewString()
	say(t, broker, id, created(order))
	say(t, broker, id, created(order)) // after a replay it stands there twice
	say(t, broker, uuid.NewString(), created(uuid.NewString()))
	var answer struct{ Events []sagas.Event }
	get(t, at+order, http.StatusOK, &answer)
	if len(answer.Events) != 2 || answer.Events[0].Repeated || !answer.Events[1].Repeated || answer.Events[0].Service != "order" {
		t.Errorf("there are %+v", answer.Events)
	}
	var problem struct{ Detail string }
	get(t, at+"nonsense", http.StatusNotFound, &problem)
	if problem.Detail == "" {
		t.Error("it does not say what is wrong")
	}
	get(t, at+order+"/parts", http.StatusServiceUnavailable, &problem)
}

func TestWhoCannotBeAskedForRowsIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	at, _ := open(t)
	var kept struct{ Rows []sagas.Rows }
	get(t, at+uuid.NewString()+"/rows", http.StatusOK, &kept)
	want := map[string]string{"order": "not told", "inventory": "not told", "payment": "does not answer", "shipping": "not told", "gateway": "does not answer"}
	for _, rows := range kept.Rows {
		if !strings.Contains(rows.Problem, want[rows.Of]) {
			t.Errorf("of %s: %q", rows.Of, rows.Problem)
		}
		delete(want, rows.Of)
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
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
