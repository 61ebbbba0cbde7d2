package mailbox_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const within = 20 * time.Second

// world is a shipping service as far as its mailbox can see, in a database and on a broker of its own. Its
// one step is to cancel: it leaves a row in effect every time that it runs, and nothing but the inbox keeps it
// from running twice.
type world struct {
	t        testing.TB
	pool     *pgxpool.Pool
	broker   *localservers.NATS
	admin    jetstream.JetStream // may do everything, unlike anybody in production
	faults   *failpoint.Set
	registry *prometheus.Registry
	config   mailbox.Config

	step atomic.Pointer[func(context.Context, events.OrderCancelRequested) error] // runs before the effect
}

// table is the effect. The mailbox must come along with whatever tables a service has.
func table() fs.FS {
	return fstest.MapFS{"00001_effect.sql": {Data: []byte(`
-- +goose Up
CREATE TABLE effect (
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    order_id uuid NOT NULL
);`)}}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, faults: failpoint.NewSet(), registry: prometheus.NewRegistry(), broker: startBroker(t)}
	w.pool = testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_db_version", FS: table()}).Pool
	w.admin = jetStream(t, w.connect("admin"))
	w.provision()
	w.config = mailbox.Config{
		Service: events.Shipping, Pool: w.pool, NATS: w.connect("shipping"), Faults: w.faults,
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
		Handlers: []mailbox.Handler{mailbox.Hear(ignore[events.PaymentProcessed]), mailbox.Hear(w.cancel)},
	}
	return w
}

// startBroker starts a server with the logins of production, and one that may do everything.
func startBroker(t testing.TB) *localservers.NATS {
	t.Helper()
	var env []string
	for _, user := range mailbox.Logins() {
		env = append(env, mailbox.PasswordVariable(user)+"=secret-"+user)
	}
	config := strings.Replace(mailbox.ServerConfig(mailbox.ServerOptions{}), "users = [", "users = [\n{user: admin, password: secret-admin}", 1)
	broker, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: config, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	return broker
}

func (w *world) connect(user string) *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect(w.broker.URL(user, "secret-"+user), nats.CustomInboxPrefix(mailbox.InboxPrefix(user)),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(20*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what is refused shows where it is asked for
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (w *world) provision() {
	w.t.Helper()
	testkit.Eventually(w.t, within, "the broker to be provisioned", func() bool {
		return mailbox.Provision(w.t.Context(), w.admin) == nil
	})
}

func ignore[E events.Event](context.Context, pgx.Tx, E) (events.Event, error) { return nil, nil }

// cancel is the step.
func (w *world) cancel(ctx context.Context, tx pgx.Tx, e events.OrderCancelRequested) (events.Event, error) {
	if step := w.step.Load(); step != nil {
		if err := (*step)(ctx, e); err != nil {
			return nil, err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, order_id) VALUES ($1, $2)`, mailbox.CauseOf(ctx).EventID, e.OrderID)
	return events.ShipmentFailed{Subject: e.Subject, Reason: "cancelled"}, err
}

// before has something done at the beginning of every step.
func (w *world) before(step func(context.Context, events.OrderCancelRequested) error) {
	w.step.Store(&step)
}

// start runs a mailbox until the test ends or the returned function is called, which waits for its end.
func (w *world) start() (m *mailbox.Mailbox, stop func()) {
	w.t.Helper()
	m, end, wait := w.run()
	return m, func() { end(); wait() }
}

// run is start with the end and the waiting for it apart.
func (w *world) run() (m *mailbox.Mailbox, end, wait func()) {
	w.t.Helper()
	c := w.config
	c.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"replica": uuid.NewString()}, w.registry)
	m, err := mailbox.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			w.t.Errorf("the mailbox ended with %v", err)
		}
	})
	w.t.Cleanup(func() { cancel(); running.Wait() })
	return m, cancel, running.Wait
}

// request makes an event as the order service would, and returns its id and the message.
func request(t testing.TB) (id, order string, message []byte) {
	t.Helper()
	id, order = uuid.Must(uuid.NewV7()).String(), uuid.NewString()
	message, err := events.Encode(id, time.Now(), events.Cause{EventID: uuid.NewString(), TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		events.OrderCancelRequested{Subject: events.Subject{OrderID: order}, Reason: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return id, order, message
}

// anOrder is one that an event may tell of: its schema asks for all of this.
func anOrder() events.Snapshot {
	return events.Snapshot{
		OrderID: uuid.NewString(), CustomerID: "customer-7",
		Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}}, Total: events.Money{Amount: 3998, Currency: "USD"},
		PaymentMethod: "tok_visa",
		ShipTo:        events.Address{Name: "Zoë Müller", Street: "Hauptstraße 1", City: "Köln", PostalCode: "50667", Country: "DE"},
	}
}

// deliver puts a message into the stream, each time as a new one.
func (w *world) deliver(order string, message []byte) {
	w.t.Helper()
	subject := events.OrderCancelRequested{}.Type().SubjectOf(order)
	if _, err := w.admin.Publish(w.t.Context(), subject, message, jetstream.WithMsgID(uuid.NewString())); err != nil {
		w.t.Fatal(err)
	}
}

// send delivers n new requests and returns their event ids, in order.
func (w *world) send(n int) []string {
	w.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		id, order, message := request(w.t)
		w.deliver(order, message)
		ids[i] = id
	}
	return ids
}

// sendAbout delivers a new request about an order and returns its event id, which is any, as a foreign
// publisher's may be.
func (w *world) sendAbout(order string) string {
	w.t.Helper()
	id := uuid.NewString()
	message, err := events.Encode(id, time.Now(), events.Cause{}, events.OrderCancelRequested{Subject: events.Subject{OrderID: order}, Reason: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.deliver(order, message)
	return id
}

// put has n events put by m, in one transaction, and returns their orders.
func (w *world) put(m *mailbox.Mailbox, n int) []string {
	w.t.Helper()
	orders := make([]string, n)
	err := m.Do(w.t.Context(), func(tx pgx.Tx) error { return mailbox.Put(w.t.Context(), tx, failures(orders)...) })
	if err != nil {
		w.t.Fatal(err)
	}
	return orders
}

// failures makes an event for each place of orders, and fills it.
func failures(orders []string) []events.Event {
	list := make([]events.Event, len(orders))
	for i := range orders {
		orders[i] = uuid.NewString()
		list[i] = events.ShipmentFailed{Subject: events.Subject{OrderID: orders[i]}, Reason: "test"}
	}
	return list
}

// count asks the database for a number.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	if err := w.pool.QueryRow(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), statement, args...); err != nil {
		w.t.Fatal(err)
	}
}

// eventually waits until the database says a number.
func (w *world) eventually(n int, what, query string, args ...any) {
	w.t.Helper()
	testkit.Eventually(w.t, within, what, func() bool { return w.count(query, args...) == n })
}

func (w *world) consumer() *jetstream.ConsumerInfo {
	w.t.Helper()
	c, err := w.admin.Consumer(w.t.Context(), events.Stream, "shipping")
	if err != nil {
		w.t.Fatal(err)
	}
	return c.CachedInfo()
}

// settled waits until everything in the stream that the consumer hears is acknowledged. What it says about
// pending messages lags behind the publisher's acknowledgement, so the stream is asked for the last one.
func (w *world) settled() {
	w.t.Helper()
	testkit.Eventually(w.t, within, "every message to be acknowledged", func() bool {
		c := w.consumer()
		return c.NumPending == 0 && c.NumAckPending == 0 && c.AckFloor.Stream >= w.lastHeard(c.Config.FilterSubjects)
	})
}

// lastHeard is where in the stream the last message of these subjects stands; 0: there is none.
func (w *world) lastHeard(subjects []string) uint64 {
	w.t.Helper()
	stream, err := w.admin.Stream(w.t.Context(), events.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	last := uint64(0)
	for _, subject := range subjects {
		msg, err := stream.GetLastMsgForSubject(w.t.Context(), subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			w.t.Fatal(err)
		default:
			last = max(last, msg.Sequence)
		}
	}
	return last
}

// published is what the stream holds of this service's own events, oldest first.
func (w *world) published() []*jetstream.RawStreamMsg {
	w.t.Helper()
	stream, err := w.admin.Stream(w.t.Context(), events.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq && seq > 0; seq++ {
		msg, err := stream.GetMsg(w.t.Context(), seq)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(msg.Subject, "saga.shipping.") {
			all = append(all, msg)
		}
	}
	return all
}

// counted is a counter of all mailboxes of this world together.
func (w *world) counted(name string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "mailbox_"+name {
			continue
		}
		for _, metric := range family.GetMetric() {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// arm arms a fault in the running mailboxes.
func (w *world) arm(f failpoint.Fault) string {
	w.t.Helper()
	id, err := w.faults.Arm(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// held waits until somebody waits at an armed hold.
func (w *world) held(id string) {
	w.t.Helper()
	testkit.Eventually(w.t, within, "the hold to be reached", func() bool {
		for _, a := range w.faults.List() {
			if a.ID == id && a.Holding > 0 {
				return true
			}
		}
		return false
	})
}
