package payment

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
	"example.com/ordersaga/services/payment/reconcile"
)

// TestMain lets the test binary be the payment service too, for the tests that kill it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_PAYMENT") != "" {
		service.Main(events.Payment, Run)
		return
	}
	testkit.Main(m)
}

// database is a fresh one with payment's tables.
func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Payment,
		testkit.Migration{Table: idempotency.Table, FS: idempotency.Migrations()},
		testkit.Migration{Table: "goose_db_version", FS: Migrations()})
}

// quick are settings with which nothing takes long. The gateway promises its horizon in its own settings.
func quick() Settings {
	return Settings{
		Settings: charge.Settings{
			GatewayTimeout: 500 * time.Millisecond, Concurrency: 32, Horizon: 30 * time.Second,
			ChargeBudget: 20 * time.Second, RefundBudget: 20 * time.Second,
			RetryFirst: 10 * time.Millisecond, RetryLimit: 200 * time.Millisecond, Poll: 50 * time.Millisecond,
		},
		ReconcileEvery: 50 * time.Millisecond, ReconcileGrace: 100 * time.Millisecond,
	}
}

// shop is payment without its process: a database, the steps, and workers at a real gateway.
type shop struct {
	t          *testing.T
	settings   Settings
	db         *testkit.DB
	gate       *gate
	app        *service.App
	gateway    *charge.Gateway
	wake       charge.Wake
	workers    *charge.Workers
	reconciler *reconcile.Reconciler
}

// newShop opens a shop whose workers do not work yet. Its way to the gateway is a wire that can be cut.
func newShop(t *testing.T, tune ...func(*Settings)) *shop {
	t.Helper()
	gate := newGate(t)
	settings := quick()
	settings.GatewayURL = gate.wire.URL
	for _, change := range tune {
		change(&settings)
	}
	return openShop(t, database(t), gate, settings)
}

func openShop(t *testing.T, db *testkit.DB, gate *gate, settings Settings) *shop {
	t.Helper()
	app := &service.App{Pool: db.Pool, Faults: failpoint.NewSet(), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
	s := &shop{t: t, settings: settings, db: db, gate: gate, app: app, wake: charge.NewWake()}
	s.gateway = charge.NewGateway(settings.Settings, app.Faults)
	s.workers = charge.NewWorkers(app, settings.Settings, s.tx, s.gateway, s.wake)
	s.reconciler = reconcile.New(app, settings.ReconcileGrace, s.tx, s.gateway, s.wake)
	t.Cleanup(s.gateway.Close)
	return s
}

func (s *shop) tx(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.db.Pool, fn)
}

// metric is the value of a counter or gauge; with a label's value, where it has one.
func (s *shop) metric(name string, label ...string) float64 {
	s.t.Helper()
	families, err := s.app.Metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (len(label) == 0 || m.GetLabel()[0].GetValue() == label[0]) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() // it is one of the two
			}
		}
	}
	return 0
}

// work lets the workers work until the test ends or stop is called.
func (s *shop) work() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.workers.Run(ctx) // it has no error, like every loop
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	s.t.Cleanup(stop)
	return stop
}

// handle handles events as the inbox does: in one transaction, prepared, each by its step, with what follows put
// into the outbox.
func (s *shop) handle(list ...events.Event) {
	s.t.Helper()
	if err := s.tryHandle(list...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) tryHandle(list ...events.Event) error {
	defer s.wake.Signal()
	return pgx.BeginFunc(s.t.Context(), s.db.Pool, func(tx pgx.Tx) error {
		if err := lockBatch(s.t.Context(), tx, list); err != nil {
			return err
		}
		for _, event := range list {
			ctx := outbox.WithCause(s.t.Context(), causeOf(event))
			answer, err := react(ctx, tx, event)
			if err == nil && answer != nil {
				err = messaging.Publish(ctx, tx, answer)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// react calls the step of the event.
func react(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	switch e := event.(type) {
	case events.InventoryReserved:
		return testkit.Alone(ctx, tx, e, intend)
	case events.ShipmentFailed:
		return undo(ctx, tx, e)
	}
	panic("payment does not consume " + event.Type().Name)
}

// causeOf is an id for an event that depends on nothing but its kind and its order.
func causeOf(event events.Event) outbox.Cause {
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(event.Type().String()+event.Order())).String()
	return outbox.Cause{EventID: id, TraceParent: "00-" + "0af7651916cd43dd8448eb211c80319c" + "-b7ad6b7169203331-01"}
}

func newID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// reserved is an order of 19.99 that is to be charged to a card.
func reserved(orderID, card string) events.InventoryReserved {
	return events.InventoryReserved{Snapshot: events.Snapshot{
		OrderID: orderID, CustomerID: "ada", PaymentMethod: card,
		Lines:  []events.Line{{SKU: "widget", Quantity: 1, UnitPrice: 1999}},
		Total:  events.Money{Amount: 1999, Currency: "USD"},
		ShipTo: events.Address{Name: "Ada", Street: "Bahnhofstrasse 1", City: "Zürich", PostalCode: "8001", Country: "CH"},
	}}
}

func cancelled(orderID string) events.ShipmentFailed {
	return events.ShipmentFailed{Subject: events.Subject{OrderID: orderID}, Reason: "cancelled"}
}

// state is where a payment stands; empty when there is none.
func (s *shop) state(orderID string) charge.State {
	s.t.Helper()
	return charge.State(text(s.t, s.db.Pool, `SELECT coalesce((SELECT state FROM payment WHERE order_id = $1), '')`, orderID))
}

// becomes waits for a payment to stand somewhere.
func (s *shop) becomes(orderID string, want charge.State) {
	s.t.Helper()
	var last charge.State
	testkit.Eventually(s.t, 15*time.Second, "payment "+orderID+" to be "+string(want), func() bool {
		last = s.state(orderID)
		return last == want
	})
}

// published are the names of the events that payment has published about an order, in their order.
func (s *shop) published(orderID string) []string {
	s.t.Helper()
	names := []string{}
	for _, event := range s.events(orderID) {
		names = append(names, event.Type().Name)
	}
	return names
}

// events are the events themselves.
func (s *shop) events(orderID string) (list []events.Event) {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `SELECT payload FROM outbox WHERE key = $1 ORDER BY position`, orderID)
	if err != nil {
		s.t.Fatal(err)
	}
	payloads, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, payload := range payloads {
		_, event, err := events.Decode(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, event)
	}
	return list
}

// openIncidents are the kinds of an order's open incidents.
func (s *shop) openIncidents(orderID string) []string {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `SELECT kind FROM incident WHERE order_id = $1 AND resolved_at IS NULL ORDER BY kind`, orderID)
	if err != nil {
		s.t.Fatal(err)
	}
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return kinds
}

// checkLedgers checks what must hold of the ledgers at rest: ours sums to zero, and shows what the gateway's shows.
func (s *shop) checkLedgers() {
	s.t.Helper()
	if sum := count(s.t, s.db.Pool, `SELECT coalesce(sum(amount), 0) FROM ledger_entry`); sum != 0 {
		s.t.Errorf("the ledger sums to %d", sum)
	}
	ours := map[string]charge.LedgerEntry{}
	rows, err := s.db.Pool.Query(s.t.Context(), `
		SELECT gateway_id, kind, merchant_reference, CASE kind WHEN 'charge' THEN amount ELSE -amount END, currency
		FROM ledger_entry WHERE account = 'gateway'`)
	if err != nil {
		s.t.Fatal(err)
	}
	var e charge.LedgerEntry
	if _, err = pgx.ForEachRow(rows, []any{&e.ID, &e.Kind, &e.Reference, &e.Amount, &e.Currency}, func() error {
		ours[e.ID] = e
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	for _, theirs := range s.gate.ledger(s.t) {
		if ours[theirs.ID] != theirs {
			s.t.Errorf("the gateway shows %+v, our ledger %+v", theirs, ours[theirs.ID])
		}
		delete(ours, theirs.ID)
	}
	for _, e := range ours {
		s.t.Errorf("our ledger alone shows %+v", e)
	}
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func text(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (s string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
