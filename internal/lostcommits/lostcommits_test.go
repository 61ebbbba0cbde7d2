package lostcommits_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/pkg/testkit/poll"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is shipping's database, a guarded pool of it, and a broker.
type world struct {
	t     *testing.T
	db    *testkit.DB
	nats  *testkit.NATS
	nc    *nats.Conn
	guard *lostcommits.Guard
	pool  *pgxpool.Pool

	from    atomic.Uint64         // of the last rebuild
	problem atomic.Pointer[error] // of the next ones
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_lostcommits", FS: lostcommits.Migrations()})}
	w.nats = testkit.Broker(t)
	w.nc = w.nats.Connect(t, events.Shipping)
	w.start()
	return w
}

// start is a process of the service.
func (w *world) start() {
	w.t.Helper()
	w.guard = lostcommits.NewGuard(events.Shipping, slog.New(slog.DiscardHandler))
	config := w.db.Pool.Config()
	config.AfterConnect = w.guard.Admit
	pool, err := pgxpool.NewWithConfig(w.t.Context(), config)
	w.must(err)
	w.t.Cleanup(pool.Close)
	w.pool = pool
	w.must(w.guard.Open(w.nc, pool, func(_ context.Context, _ *pgxpool.Pool, from uint64) error {
		w.from.Store(from)
		if err := w.problem.Load(); err != nil {
			return *err
		}
		return nil
	}))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Pool.Exec(w.t.Context(), sql, args...)
	w.must(err)
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.must(w.db.Pool.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// A database that is behind is closed for everybody, at every new connection, until the rebuild is through; it begins
// behind what the service had handled at the last heartbeat that the database has.
func TestGuard_ADatabaseThatIsBehindIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.guard.Meet(t.Context())
	w.must(w.guard.Beaten(t.Context(), 2, 10))
	w.must(w.guard.Beaten(t.Context(), 3, 20))
	w.must(w.guard.Beaten(t.Context(), 4, 30))
	w.exec(`UPDATE database_heartbeat SET n = 3`) // an older copy
	wrong := errors.New("the stream cannot be read")
	w.problem.Store(&wrong)

	w.pool.Reset() // as when the server was away
	err := w.pool.Ping(t.Context())
	if doubted, is := errors.AsType[*lostcommits.Doubted](err); !is || !strings.HasPrefix(doubted.SQLState(), "57P") {
		t.Fatalf("a database that is behind was used: %v", err)
	}
	if err := w.guard.Round(t.Context()); !errors.Is(err, wrong) || !strings.Contains(w.guard.Ready().Error(), wrong.Error()) {
		t.Errorf("without a rebuild: %v; %v", err, w.guard.Ready())
	}
	if err := w.pool.Ping(t.Context()); err == nil {
		t.Error("without a rebuild the database was used")
	}
	if got := w.from.Load(); got != 21 {
		t.Errorf("the database that has three heartbeats was rebuilt from %d on, want 21", got)
	}
	w.problem.Store(nil)
	w.must(w.guard.Round(t.Context()))
	w.must(w.pool.Ping(t.Context()))
}

// What a process has kept is what the next one compares with.
func TestGuard_TheNextProcessKnowsTheDatabase(t *testing.T) {
	t.Parallel()
	statement := func(sql string) func(w *world) { return func(w *world) { w.exec(sql) } }
	kept := func(change func(*lostcommits.Identity)) func(w *world) {
		return func(w *world) { w.must(w.guard.Keep(w.t.Context(), change)) }
	}
	for name, c := range map[string]struct {
		change func(w *world)
		from   uint64 // 0: it is the same database
	}{
		"the same":  {func(*world) {}, 0},
		"behind":    {statement(`UPDATE database_heartbeat SET n = 1`), 1},
		"beaten":    {statement(`UPDATE database_heartbeat SET n = n + 1`), 0},
		"made anew": {kept(func(i *lostcommits.Identity) { i.Database++ }), 1},
		"promoted":  {kept(func(i *lostcommits.Identity) { i.Timeline = "00000000" }), 1},
		"a copy":    {kept(func(i *lostcommits.Identity) { i.System = "1" }), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 2 {
				w.guard.Meet(t.Context())
			}
			c.change(w)
			w.start()
			w.guard.Meet(t.Context())
			if got := w.from.Load(); got != c.from {
				t.Errorf("it was rebuilt from %d on, want %d", got, c.from)
			}
			w.must(w.pool.Ping(t.Context()))
		})
	}
}

// A broker of before has no bucket, or its logins may not use it: the service goes on without.
func TestGuard_WithoutABucketTheDatabaseIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nc = w.nats.ConnectAs(t, natsadmin.Console) // may not look at it
	w.start()
	w.guard.Meet(t.Context())
	if t.Context().Err() != nil {
		t.Fatal("it waited for a bucket that never comes")
	}
	w.must(w.pool.Ping(t.Context()))
}

// parcels is a shipping of the test: it ships everything, unless it is out of boxes.
type parcels struct {
	*world
	box    *messaging.Outbox
	closed atomic.Bool // it has no boxes any more
	fails  atomic.Bool
}

func newParcels(t *testing.T) *parcels {
	t.Helper()
	p := &parcels{world: newWorld(t)}
	var err error
	p.box, err = messaging.New(messaging.Config{
		Service: events.Shipping, Pool: p.db.Pool, NATS: p.nc,
		Handlers: []outbox.Handler{outbox.Handle(p.ship), outbox.Handle(p.cancel)},
	})
	p.must(err)
	return p
}

func (p *parcels) ship(_ context.Context, _ pgx.Tx, paid events.PaymentProcessed) (events.Event, error) {
	switch {
	case p.fails.Load():
		return nil, errors.New("as if something was wrong")
	case p.closed.Load():
		return events.ShipmentFailed{Subject: events.Subject{OrderID: paid.OrderID}, Reason: "no boxes"}, nil
	}
	return events.ShipmentCreated{Snapshot: paid.Snapshot, ShipmentID: "shp_1"}, nil
}

func (p *parcels) cancel(context.Context, pgx.Tx, events.OrderCancelRequested) (events.Event, error) {
	return nil, nil
}

// publish puts what another service has published into the stream.
func (p *parcels) publish(event events.Event) {
	p.t.Helper()
	p.publishAs(uuid.Must(uuid.NewV7()).String(), events.Cause{}, event)
}

func (p *parcels) publishAs(id string, cause events.Cause, event events.Event) {
	p.t.Helper()
	message, err := events.Encode(id, time.Now(), cause, event)
	p.must(err)
	js, err := jetstream.New(p.nats.Connect(p.t, event.Type().Service))
	p.must(err)
	_, err = js.Publish(p.t.Context(), event.Type().SubjectOf(event.Order()), message)
	p.must(err)
}

func (p *parcels) rebuild(from uint64) error {
	p.t.Helper()
	return lostcommits.Rebuild{
		Service: events.Shipping, NATS: p.nc, Outbox: p.box, Log: slog.New(slog.DiscardHandler),
	}.Run(p.t.Context(), p.db.Pool, from)
}

// lose has the database forget everything.
func (p *parcels) lose() {
	p.t.Helper()
	p.exec(`WITH a AS (DELETE FROM inbox), b AS (DELETE FROM outbox_due), c AS (DELETE FROM outbox_mark) DELETE FROM outbox_message`)
}

// run is the service at work, until each of so many orders has been answered.
func (p *parcels) run(answers int) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.box.Run(ctx) }()
	p.must(poll.Until(ctx, time.Minute, "the answers to be published", func() error {
		if n := p.count(`SELECT count(*) FROM outbox_mark`); n != answers {
			return fmt.Errorf("%d are", n)
		}
		return nil
	}))
	cancel()
	p.must(<-done)
}

func paid() events.PaymentProcessed {
	return events.PaymentProcessed{ChargeID: "ch_1", Snapshot: events.Snapshot{
		OrderID: uuid.Must(uuid.NewV7()).String(), CustomerID: "c", PaymentMethod: "tok_visa",
		Lines: []events.Line{{SKU: "widget", Quantity: 1, UnitPrice: 1}}, Total: events.Money{Amount: 1, Currency: "USD"},
		ShipTo: events.Address{Name: "a", Street: "b", City: "c", PostalCode: "d", Country: "DE"},
	}}
}

// A service that has lost everything has all of it again, and publishes nothing a second time.
func TestRebuild_EverythingIsAsItWas(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	for range 3 {
		p.publish(paid())
	}
	p.run(3)
	p.lose()
	for range 2 { // the second one finds nothing to do
		p.must(p.rebuild(1))
		for sql, want := range map[string]int{
			`SELECT count(*) FROM inbox`: 3, `SELECT count(*) FROM outbox_message`: 3, `SELECT count(*) FROM outbox_mark`: 3,
			`SELECT count(*) FROM outbox_due`: 0, `SELECT count(*) FROM incident`: 0,
		} {
			if got := p.count(sql); got != want {
				t.Errorf("%s: %d, want %d", sql, got, want)
			}
		}
	}
}

// Where nothing waits for the service, what others have published is behind it, too; where something does, only what was
// handled is.
func TestGuard_TheFloorIsTheEndOfTheStreamWhereNothingWaits(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	floor := func(want uint64) {
		t.Helper()
		if got, err := p.guard.Floor(t.Context()); err != nil || got != want {
			t.Errorf("the floor is %d (%v), want %d", got, err, want)
		}
	}
	stranger := events.PaymentVoided{Subject: events.Subject{OrderID: uuid.NewString()}, Reason: "x"} // not for shipping
	floor(0)
	p.publish(stranger)
	floor(1)
	p.publish(paid())
	p.publish(stranger)
	floor(0)
	p.run(1) // publishes a fourth message
	floor(4)
}

// An event that led to nothing that anybody knows is handled as if it had come now.
func TestRebuild_WhatWasNeverPublishedIsPublished(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	p.publish(paid())
	p.must(p.rebuild(1))
	if due := p.count(`SELECT count(*) FROM outbox_due`); due != 1 {
		t.Errorf("%d events are to be published, want one", due)
	}
	p.must(p.rebuild(2)) // behind it nothing is missing
}

// Where the step decides otherwise now, what was published stands, and a person is asked.
func TestRebuild_TheOppositeIsNotPublished(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	order := paid()
	p.publish(order)
	p.run(1)
	p.lose()
	p.closed.Store(true)
	p.must(p.rebuild(1))
	if n := p.count(`SELECT count(*) FROM incident WHERE order_id = $1 AND kind = 'lost_commits'`, order.OrderID); n != 1 {
		t.Errorf("a person is asked %d times", n)
	}
	if n := p.count(`SELECT count(*) FROM outbox_message WHERE type LIKE '%ShipmentFailed%'`); n != 0 {
		t.Error("the opposite of what was published is to be published")
	}
	if n := p.count(`SELECT count(*) FROM outbox_mark WHERE id IN (SELECT id FROM outbox_message WHERE type LIKE '%ShipmentCreated%')`); n != 1 {
		t.Error("what was published is not known")
	}
	if n := p.count(`SELECT count(*) FROM inbox`); n != 1 {
		t.Error("the event would be handled again")
	}
}

// One event that cannot be handled keeps nothing from being rebuilt.
func TestRebuild_WhatFailsIsADeadLetter(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	p.publish(paid())
	p.fails.Store(true)
	p.must(p.rebuild(1))
	if n := p.count(`SELECT count(*) FROM dead_letter WHERE reason LIKE '%as if something was wrong%'`); n != 1 {
		t.Errorf("%d dead letters, want one", n)
	}
	p.fails.Store(false)
	p.must(p.rebuild(1))
	if n := p.count(`SELECT count(*) FROM inbox`); n != 0 {
		t.Error("a dead letter was handled without a person")
	}
}

// What other services' translator has published in this one's name is not this one's.
func TestRebuild_WhatWasTranslatedIsNotOurs(t *testing.T) {
	t.Parallel()
	p := newParcels(t)
	original := uuid.New()
	event := events.ShipmentFailed{Subject: events.Subject{OrderID: uuid.NewString()}, Reason: "x"}
	p.publishAs(messaging.TranslatedID(original, event.Type().String()).String(), events.Cause{EventID: original.String()}, event)
	p.must(p.rebuild(1))
	if n := p.count(`SELECT count(*) FROM outbox_message`); n != 0 {
		t.Errorf("%d events are taken for ours", n)
	}
}
