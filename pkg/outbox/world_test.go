package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
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

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

const within = 20 * time.Second

// The toy application gets requests and answers each with a failure.
type (
	event        interface{ about() string }
	asked        struct{ Key, Reason string }
	askedEarlier struct{ Key, Why string } // an older version of asked
	failed       struct{ Key, Reason string }
	other        struct{ Key string }
)

func (e asked) about() string        { return e.Key }
func (e askedEarlier) about() string { return e.Key }
func (e failed) about() string       { return e.Key }
func (e other) about() string        { return e.Key }

// codec writes events as JSON, and takes failures alone for its own.
type codec struct{}

type envelope struct {
	ID, Key, Type, Cause, Trace string
	Data                        json.RawMessage
}

func (codec) Type(e any) string { return reflect.TypeOf(e).Name() }

func (c codec) Encode(e any, cause outbox.Cause) (outbox.Message, error) {
	answer, ours := e.(failed)
	if !ours {
		return outbox.Message{}, fmt.Errorf("%s is not ours", c.Type(e))
	}
	return encode(uuid.Must(uuid.NewV7()).String(), "toy.out.", answer, cause)
}

// encode makes a message with the given id; subjects begin with the prefix.
func encode(id, prefix string, e event, cause outbox.Cause) (outbox.Message, error) {
	key, err := uuid.Parse(e.about())
	if err != nil {
		return outbox.Message{}, err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return outbox.Message{}, err
	}
	name := codec{}.Type(e)
	payload, err := json.Marshal(envelope{id, e.about(), name, cause.EventID, cause.TraceParent, data})
	if err != nil {
		return outbox.Message{}, err
	}
	return outbox.Message{ID: uuid.MustParse(id), Key: key, Type: name, Subject: prefix + name + "." + e.about(), Payload: payload}, nil
}

func (codec) Decode(payload []byte) (outbox.Received, error) {
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return outbox.Received{}, fmt.Errorf("not an envelope: %w", err)
	}
	r := outbox.Received{ID: e.ID, Key: e.Key, Type: e.Type, WireType: "toy." + e.Type, TraceParent: e.Trace}
	decode, known := map[string]func([]byte) (any, error){
		"asked": as[asked], "askedEarlier": as[askedEarlier], "failed": as[failed], "other": as[other],
	}[e.Type]
	if !known {
		return r, fmt.Errorf("unknown event %q", e.Type)
	}
	var err error
	r.Event, err = decode(e.Data)
	return r, err
}

func as[E any](data []byte) (any, error) {
	var e E
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("data of %T: %w", e, err)
	}
	return e, nil
}

// failpoints are those of package failpoint: the points have the same names.
type failpoints struct{ *failpoint.Set }

func (f failpoints) At(ctx context.Context, p outbox.Point, keys ...string) error {
	return f.Set.At(ctx, failpoint.Point(p), keys...)
}

func (f failpoints) Duplicate(p outbox.Point, key string) bool {
	return f.Set.Duplicate(failpoint.Point(p), key)
}

const (
	stream   = "TOYS"
	consumer = "toy"
)

// world is the toy application, in a database and on a broker of its own. Its one step leaves a row in effect every
// time that it runs, and only the inbox keeps it from running twice.
type world struct {
	t      testing.TB
	pool   *pgxpool.Pool
	broker *localservers.NATS
	admin  jetstream.JetStream // may do everything
	faults *failpoint.Set
	config outbox.Config

	step atomic.Pointer[func(context.Context, asked) error] // runs before the effect

	mu       sync.Mutex
	metrics  map[outbox.Metric]float64
	retrying map[string]outbox.Retry
}

// effects is a table of the application.
func effects() fs.FS {
	return fstest.MapFS{"00001_effect.sql": {Data: []byte(`
-- +goose Up
CREATE TABLE effect (
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    key uuid NOT NULL
);`)}}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, faults: failpoint.NewSet(), broker: startBroker(t), pool: newPool(t),
		metrics: map[outbox.Metric]float64{}, retrying: map[string]outbox.Retry{},
	}
	w.admin = jetStream(t, w.connect("admin"))
	w.provision()
	w.config = outbox.Config{
		Name: consumer, Stream: stream, Pool: w.pool, NATS: w.connect("app"), Codec: codec{}, Consumers: []string{"lazy"},
		Handlers:   []outbox.Handler{outbox.Handle(ignore[other]), outbox.Handle(w.fail)},
		Failpoints: failpoints{w.faults}, Observe: w.observe, OnRetry: w.onRetry, OnSettled: w.onSettled,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return w
}

// newPool is a database with the outbox's tables and the application's.
func newPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	url := testkit.EmptyDatabase(t,
		testkit.Migration{Table: "goose_outbox", FS: outbox.Migrations()}, testkit.Migration{Table: "goose_toy", FS: effects()})
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// brokerConfig has a login for the application with what the outbox needs, and one that may do everything.
const brokerConfig = `
max_payload: 65536
jetstream { max_file_store: 1GB, sync_interval: 1s }
authorization { users = [
  { user: admin, password: secret }
  { user: app, password: secret, permissions: {
      publish: ["toy.out.>", "$JS.API.STREAM.INFO.TOYS", "$JS.API.CONSUMER.INFO.TOYS.*",
        "$JS.API.CONSUMER.MSG.NEXT.TOYS.toy", "$JS.ACK.TOYS.toy.>", "$JS.ACK.*.*.TOYS.toy.>"]
      subscribe: ["_INBOX.app.>"] } }
] }`

func startBroker(t testing.TB) *localservers.NATS {
	t.Helper()
	broker, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: brokerConfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	return broker
}

func (w *world) connect(user string) *nats.Conn {
	w.t.Helper()
	nc, err := connect(w.broker.URL(user, "secret"), user)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func connect(url, user string) (*nats.Conn, error) {
	return nats.Connect(url, nats.CustomInboxPrefix("_INBOX."+user),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(20*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what is refused shows where it is asked for
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// ackWait is short, so that tests of lost acknowledgements need not wait long.
const ackWait = 5 * time.Second

// provision creates the stream, the application's consumer, and one that never gets anything: who consumes what the
// application publishes, and lags.
func (w *world) provision() {
	w.t.Helper()
	testkit.Eventually(w.t, within, "the broker to be provisioned", func() bool {
		_, err := w.admin.CreateOrUpdateStream(w.t.Context(), jetstream.StreamConfig{
			Name: stream, Subjects: []string{"toy.>"}, Duplicates: time.Hour, MaxAge: outbox.Retention, Discard: jetstream.DiscardNew,
		})
		for name, filter := range map[string]string{consumer: "toy.in.>", "lazy": "toy.out.>"} {
			if err == nil {
				_, err = w.admin.CreateOrUpdateConsumer(w.t.Context(), stream, jetstream.ConsumerConfig{
					Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 1024, MaxDeliver: -1,
				})
			}
		}
		return err == nil
	})
}

func ignore[E any](context.Context, pgx.Tx, E) (event, error) { return nil, nil }

// fail is the step.
func (w *world) fail(ctx context.Context, tx pgx.Tx, e asked) (event, error) {
	if step := w.step.Load(); step != nil {
		if err := (*step)(ctx, e); err != nil {
			return nil, err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, key) VALUES ($1, $2)`, outbox.CauseOf(ctx).EventID, e.Key)
	return failed{Key: e.Key, Reason: "done"}, err
}

// before has something done at the beginning of every step.
func (w *world) before(step func(context.Context, asked) error) { w.step.Store(&step) }

// start runs an outbox until the test ends or the returned function is called, which waits for its end.
func (w *world) start() (o *outbox.Outbox, stop func()) {
	w.t.Helper()
	o, end, wait := w.run()
	return o, func() { end(); wait() }
}

// run is start with the end and the waiting for it apart.
func (w *world) run() (o *outbox.Outbox, end, wait func()) {
	w.t.Helper()
	o, err := outbox.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.Run(ctx); err != nil {
			w.t.Errorf("the outbox ended with %v", err)
		}
	})
	w.t.Cleanup(func() { cancel(); running.Wait() })
	return o, cancel, running.Wait
}

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// request makes an event for the application, and returns its id, key and message.
func request(t testing.TB) (id, key string, message []byte) {
	t.Helper()
	id, key = uuid.Must(uuid.NewV7()).String(), uuid.NewString()
	return id, key, requestAbout(t, id, key)
}

func requestAbout(t testing.TB, id, key string) []byte {
	t.Helper()
	m, err := encode(id, "toy.in.", asked{Key: key, Reason: "test"}, outbox.Cause{EventID: uuid.NewString(), TraceParent: traceParent})
	if err != nil {
		t.Fatal(err)
	}
	return m.Payload
}

func subjectOf(key string) string { return "toy.in.asked." + key }

// deliver puts a message into the stream, each time as a new one.
func (w *world) deliver(key string, message []byte) {
	w.t.Helper()
	if _, err := w.admin.Publish(w.t.Context(), subjectOf(key), message, jetstream.WithMsgID(uuid.NewString())); err != nil {
		w.t.Fatal(err)
	}
}

// send delivers n new requests and returns their event ids, in order.
func (w *world) send(n int) []string {
	w.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		id, key, message := request(w.t)
		w.deliver(key, message)
		ids[i] = id
	}
	return ids
}

// sendAbout delivers a new request with a key and returns its event id.
func (w *world) sendAbout(key string) string {
	w.t.Helper()
	id := uuid.NewString()
	w.deliver(key, requestAbout(w.t, id, key))
	return id
}

// publish has n events published by o, in one transaction, and returns their keys.
func (w *world) publish(o *outbox.Outbox, n int) []string {
	w.t.Helper()
	keys := make([]string, n)
	err := o.Tx(w.t.Context(), func(tx pgx.Tx) error { return outbox.Publish(w.t.Context(), tx, failures(keys)...) })
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// failures makes a message for each place of keys, and fills it.
func failures(keys []string) []outbox.Message {
	list := make([]outbox.Message, len(keys))
	for i := range keys {
		keys[i] = uuid.NewString()
		message, err := codec{}.Encode(failed{Key: keys[i], Reason: "test"}, outbox.Cause{})
		if err != nil {
			panic(err)
		}
		list[i] = message
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

// eventually waits until the database answers with a number.
func (w *world) eventually(n int, what, query string, args ...any) {
	w.t.Helper()
	testkit.Eventually(w.t, within, what, func() bool { return w.count(query, args...) == n })
}

func (w *world) consumer() *jetstream.ConsumerInfo {
	w.t.Helper()
	c, err := w.admin.Consumer(w.t.Context(), stream, consumer)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.CachedInfo()
}

func (w *world) stream() jetstream.Stream {
	w.t.Helper()
	s, err := w.admin.Stream(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// settled waits until every message for the consumer is acknowledged. What it reports about pending messages lags
// behind the publisher's acknowledgement, so the stream is asked for the last one.
func (w *world) settled() {
	w.t.Helper()
	testkit.Eventually(w.t, within, "every message to be acknowledged", func() bool {
		c := w.consumer()
		last, err := w.stream().GetLastMsgForSubject(w.t.Context(), c.Config.FilterSubject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			last, err = &jetstream.RawStreamMsg{}, nil
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return c.NumPending == 0 && c.NumAckPending == 0 && c.AckFloor.Stream >= last.Sequence
	})
}

// published is what the stream holds of the application's own events, oldest first.
func (w *world) published() []*jetstream.RawStreamMsg {
	w.t.Helper()
	s := w.stream()
	var all []*jetstream.RawStreamMsg
	for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq && seq > 0; seq++ {
		msg, err := s.GetMsg(w.t.Context(), seq)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(msg.Subject, "toy.out.") {
			all = append(all, msg)
		}
	}
	return all
}

// observe counts for all outboxes of this world together: the values of what counts, and how often the others came.
func (w *world) observe(m outbox.Metric, _ string, value float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m {
	case outbox.Backlog:
		w.metrics[m] = value
	case outbox.BatchEvents:
		w.metrics[m]++
	default:
		w.metrics[m] += value
	}
}

func (w *world) counted(m outbox.Metric) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.metrics[m]
}

func (w *world) onRetry(r outbox.Retry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retrying[r.EventID] = r
}

func (w *world) onSettled(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.retrying, id)
}

// retries is the event that is being retried, if it is one and has been attempted so often.
func (w *world) retries(attempts int) (outbox.Retry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.retrying {
		if r.Attempts >= attempts && len(w.retrying) == 1 {
			return r, true
		}
	}
	return outbox.Retry{}, false
}

// arm arms a fault in the running outboxes.
func (w *world) arm(f failpoint.Fault) string {
	w.t.Helper()
	id, err := w.faults.Arm(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// held waits until an armed hold is reached.
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
