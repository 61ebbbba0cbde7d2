package notification

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// serveAll runs the service as its process does, until the test ends, and wants it to end cleanly.
func serveAll(t *testing.T, db *testkit.DB, broker *testkit.NATS, mails mailServer) {
	t.Helper()
	port, err := localservers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, service.Config{
			Service: events.Notification, DatabaseURL: db.URL, MigrationsURL: db.OwnerURL,
			NATSURL: broker.URL(string(events.Notification)), Addr: addr, LogLevel: slog.LevelError,
		}, mails)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, within, "the service to be ready", func() bool { return httpserver.Healthcheck(t.Context(), addr) == nil })
}

// publish puts a message on the stream as the order service would.
func publish(t *testing.T, broker *testkit.NATS, subject string, message []byte) {
	t.Helper()
	js, err := jetstream.New(broker.Connect(t, events.Order))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject, message); err != nil {
		t.Fatal(err)
	}
}

// TestService_WritesOnceAndPublishesNothing runs the service as its process does. Every event comes twice under one id,
// which the inbox knows, and once more under another, which only the table knows.
func TestService_WritesOnceAndPublishesNothing(t *testing.T) {
	t.Parallel()
	db, broker, box := database(t), testkit.Broker(t), openPostbox(t, nil)
	serveAll(t, db, broker, process(db.Pool, box.addr).server)
	first, second := newOrderID(t), newOrderID(t)
	older, err := createdFor(second, ada).Downcast()
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []events.Event{createdFor(first, ada), older, cancelledFor(first, ada, "customer")} {
		id := newOrderID(t)
		for _, eventID := range []string{id, id, newOrderID(t)} {
			message, err := events.Encode(eventID, time.Now(), events.Cause{}, event)
			if err != nil {
				t.Fatal(err)
			}
			publish(t, broker, event.Type().SubjectOf(event.Order()), message)
		}
	}
	publish(t, broker, events.OrderCancelled{}.Type().SubjectOf(newOrderID(t)), []byte("this is no event"))
	testkit.Eventually(t, within, "every message to be handled and every mail to be sent", func() bool {
		return len(texts(t, db.Pool, `SELECT '' FROM inbox`)) == 6 && len(texts(t, db.Pool, `SELECT '' FROM dead_letter`)) == 1 &&
			len(texts(t, db.Pool, `SELECT '' FROM mail WHERE state = 'SENT'`)) == 3
	})
	same(t, "mails", len(box.messages()), 3)
	same(t, "what it publishes", len(texts(t, db.Pool, `SELECT '' FROM outbox`)), 0)
	same(t, "incidents", len(texts(t, db.Pool, `SELECT '' FROM incident`)), 0)
}

func TestService_SettingsThatAreNone(t *testing.T) {
	t.Parallel()
	for setting, word := range map[string]string{
		"SMTP_ADDR=mail": "a host and a port", "SMTP_FROM=shop": "an address", "SMTP_FROM=Shop <a@b.example>": "an address",
		"SMTP_TLS=yes": "offered or implicit", "SMTP_HELLO=a b": "a host's name", "SMTP_HELLO=a\r\nMAIL": "a host's name",
		"SMTP_END_TIMEOUT=0s": "a positive duration", "SMTP_COMMAND_TIMEOUT=soon": "a positive duration", "SMTP_DATA_TIMEOUT=-1m": "a positive duration",
	} {
		key, value, _ := strings.Cut(setting, "=")
		_, err := serverFromEnv(func(asked string) string { return map[string]string{key: value}[asked] })
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	// The defaults are the least that RFC 5321 wants.
	s, err := serverFromEnv(func(string) string { return "" })
	if err != nil || s.times != (times{command: 5 * time.Minute, data: 2 * time.Minute, end: 10 * time.Minute}) {
		t.Errorf("without settings: %+v, %v", s, err)
	}
}
