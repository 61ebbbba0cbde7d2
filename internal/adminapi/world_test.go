package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

const within = 30 * time.Second

// office is a shipping service whose one step leaves a row in effect, unless it refuses; and its admin API.
type office struct {
	t      *testing.T
	pool   *pgxpool.Pool
	stream jetstream.JetStream
	admin  http.Handler
	faults *failpoint.Set // of the admin API
	refusal
}

// refusal is what the step part of events; nil: it takes them.
type refusal struct{ because atomic.Pointer[error] }

func (r *refusal) refuse(why error) { r.because.Store(&why) }

func effects() fs.FS {
	return fstest.MapFS{"00001_effect.sql": {Data: []byte(`
-- +goose Up
CREATE TABLE effect (event_id uuid NOT NULL);`)}}
}

func newOffice(t *testing.T) *office {
	t.Helper()
	broker := testkit.Broker(t)
	o := &office{t: t, faults: failpoint.NewSet(), pool: testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_db_version", FS: effects()}).Pool}
	var err error
	if o.stream, err = jetstream.New(broker.Connect(t, events.Order)); err != nil {
		t.Fatal(err)
	}
	box, err := messaging.New(messaging.Config{
		OnDeadLetter: incident.OnDeadLetter(events.Shipping),
		Service:      events.Shipping, Pool: o.pool, NATS: broker.Connect(t, events.Shipping),
		Handlers: []outbox.Handler{outbox.Handle(o.cancel), outbox.Handle(func(context.Context, pgx.Tx, events.PaymentProcessed) (events.Event, error) { return nil, nil })},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := box.Run(ctx); err != nil {
			t.Errorf("the outbox ended with %v", err)
		}
	})
	t.Cleanup(func() { end(); running.Wait() })
	router := chi.NewRouter()
	adminapi.API{Pool: o.pool, Transact: box.Tx, Outbox: box, Faults: o.faults}.Routes(router)
	o.admin = router
	return o
}

// cancel is the step. It refuses when its work is done, so that something is there to be undone.
func (o *office) cancel(ctx context.Context, tx pgx.Tx, e events.OrderCancelRequested) (events.Event, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO effect VALUES ($1)`, outbox.CauseOf(ctx).EventID); err != nil {
		return nil, err
	}
	if why := o.because.Load(); why != nil && *why != nil {
		return nil, *why
	}
	return events.ShipmentFailed{Subject: e.Subject, Reason: "cancelled"}, nil
}

// wanted is an event about an order, as its publisher part it.
func wanted(t *testing.T, order string) (id string, message []byte) {
	t.Helper()
	id = uuid.Must(uuid.NewV7()).String()
	message, err := events.Encode(id, time.Now(), events.Cause{}, events.OrderCancelRequested{Subject: events.Subject{OrderID: order}, Reason: "customer"})
	if err != nil {
		t.Fatal(err)
	}
	return id, message
}

func (o *office) deliver(order string, message []byte) {
	o.t.Helper()
	subject := events.OrderCancelRequested{}.Type().SubjectOf(order)
	if _, err := o.stream.Publish(o.t.Context(), subject, message, jetstream.WithMsgID(uuid.NewString())); err != nil {
		o.t.Fatal(err)
	}
}

// deadLetter has an event about an order refused, and returns its dead letter.
func (o *office) deadLetter(order string) (eventID string, letter adminapi.Letter) {
	o.t.Helper()
	o.refuse(outbox.DeadLetter(errors.New("no such planet")))
	id, message := wanted(o.t, order)
	o.deliver(order, message)
	return id, o.letterOf(id)
}

// letterOf is an event's dead letter, once there is one.
func (o *office) letterOf(event string) adminapi.Letter {
	o.t.Helper()
	o.eventually(1, `SELECT count(*) FROM dead_letter WHERE event_id = $1`, event)
	var id string
	if err := o.pool.QueryRow(o.t.Context(), `SELECT id::text FROM dead_letter WHERE event_id = $1`, event).Scan(&id); err != nil {
		o.t.Fatal(err)
	}
	return o.letter(id)
}

func (o *office) letter(id string) (l adminapi.Letter) {
	o.t.Helper()
	o.get("/dead-letters/"+id, &l)
	return l
}

func (o *office) get(path string, into any) {
	o.t.Helper()
	answer := o.send(http.MethodGet, path, "", nil)
	if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil || answer.Code != http.StatusOK {
		o.t.Fatalf("%s: %d %s, %v", path, answer.Code, answer.Body, err)
	}
}

func (o *office) send(method, path, key string, body any) *httptest.ResponseRecorder {
	o.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(o.t.Context(), method, path, bytes.NewReader(encoded))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	answer := httptest.NewRecorder()
	o.admin.ServeHTTP(answer, request)
	return answer
}

// asks sends a command, and wants it carried out.
func (o *office) asks(path string, more ...any) (body string) {
	o.t.Helper()
	answer := o.send(http.MethodPost, path, uuid.NewString(), command(more...))
	if answer.Code != http.StatusOK {
		o.t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// command is the body of a request, with more members.
func command(more ...any) map[string]any {
	w := map[string]any{"by": "grace", "why": "it is mended"}
	for i := 0; i < len(more); i += 2 {
		w[more[i].(string)] = more[i+1]
	}
	return w
}

func (o *office) count(query string, args ...any) (n int) {
	o.t.Helper()
	if err := o.pool.QueryRow(o.t.Context(), query, args...).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o *office) eventually(n int, query string, args ...any) {
	o.t.Helper()
	testkit.Eventually(o.t, within, fmt.Sprintf("%d: %s", n, query), func() bool { return o.count(query, args...) == n })
}
