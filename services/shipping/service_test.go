package shipping

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// process runs the service as its process does, until the test ends, and wants it to end cleanly. It
// returns the address of the API.
func process(t *testing.T, db *testkit.DB, broker *testkit.NATS) string {
	t.Helper()
	port, err := localservers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, service.Config{
			Service: events.Shipping, DatabaseURL: db.URL, MigrationsURL: db.OwnerURL,
			NATSURL: broker.URL(string(events.Shipping)), Addr: addr, LogLevel: slog.LevelError,
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, 30*time.Second, "the service to be ready", func() bool { return httpserver.Healthcheck(t.Context(), addr) == nil })
	return "http://" + addr
}

// publish puts an event on the stream as the service would whose event it is. Each message has an id of
// its own, so that the broker does not recognise what the inbox is to recognise.
func publish(t *testing.T, broker *testkit.NATS, eventID string, event events.Event) {
	t.Helper()
	message, err := events.Encode(eventID, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(broker.Connect(t, event.Type().Service))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), event.Type().SubjectOf(event.Order()), message); err != nil {
		t.Fatal(err)
	}
}

// published is the answers about an order, in the order in which they were published.
func published(t *testing.T, pool *pgxpool.Pool, orderID string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT split_part(type, '.', 3) FROM outbox WHERE key = $1 ORDER BY position`, orderID)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// TestService_AnswersEachEventOnce runs the service as its process does. Every event comes twice under
// one id, which the inbox knows, and once more under another, which only the state guards know.
func TestService_AnswersEachEventOnce(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	shipped, refused, cancelled := newOrderID(t), newOrderID(t), newOrderID(t)
	list := []events.Event{
		paidOrder(shipped, "GB"), cancelOf(shipped),
		paidOrder(refused, "AQ"),
		cancelOf(cancelled), paidOrder(cancelled, "GB"),
	}
	for _, event := range list {
		id := newOrderID(t)
		for _, eventID := range []string{id, id, newOrderID(t)} {
			publish(t, broker, eventID, event)
		}
	}
	testkit.Eventually(t, 30*time.Second, "every event to be handled", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM inbox`) == 2*len(list)
	})
	for _, c := range []struct {
		orderID string
		state   State
		want    string
	}{
		{shipped, Created, "ShipmentCreated"},
		{refused, Failed, "ShipmentFailed"},
		{cancelled, Fenced, "ShipmentFailed"},
	} {
		if got := shipmentIn(t, db.Pool, c.orderID).State; got != c.state {
			t.Errorf("the order is %s, want %s", got, c.state)
		}
		if got := published(t, db.Pool, c.orderID); !slices.Equal(got, []string{c.want}) {
			t.Errorf("about the order that is %s was published %v, want %s once", c.state, got, c.want)
		}
	}
	testkit.Eventually(t, 10*time.Second, "every answer to be published", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE published_at IS NULL`) == 0
	})
}
