package service_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// upgraded is shipping's database, made by the release before the outbox was a library, and a count of its one step.
type upgraded struct {
	t    *testing.T
	url  string
	pool *pgxpool.Pool
}

// newUpgraded makes the database with rows of all kinds in it: an unpublished one and one to be republished, an event
// that has taken effect, an open dead letter with its incident, and an operator's action.
func newUpgraded(t *testing.T, published, handled, letter []byte) *upgraded {
	t.Helper()
	old := testkit.Migration{Table: "goose_mailbox", FS: os.DirFS("testdata/mailbox")}
	u := &upgraded{t: t, url: testkit.EmptyDatabase(t, old)}
	pool, err := pgxpool.New(t.Context(), u.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	u.pool = pool
	open := func(message []byte) (id, order, subject string) {
		envelope, event, err := events.Decode(message)
		if err != nil {
			t.Fatal(err)
		}
		return envelope.ID, event.Order(), event.Type().SubjectOf(event.Order())
	}
	id, order, subject := open(published)
	u.exec(`INSERT INTO outbox (id, order_id, type, subject, payload, again) VALUES ($1, $2, 't', $3, $4, false), (gen_random_uuid(), $2, 't', $3, $4, true)`,
		id, order, subject, published)
	id, order, _ = open(handled)
	u.exec(`INSERT INTO inbox (event_id, type, order_id) VALUES ($1, 't', $2)`, id, order)
	id, order, subject = open(letter)
	u.exec(`INSERT INTO dead_letter (id, event_id, order_id, type, subject, payload, reason) VALUES (gen_random_uuid(), $1, $2, 't', $3, $4, 'a bug')`,
		id, order, subject, letter)
	u.exec(`INSERT INTO incident (id, order_id, kind, reason) VALUES (gen_random_uuid(), $1, 'poison', 'a bug')`, order)
	u.exec(`INSERT INTO operator_action (id, request_key, fingerprint, by, why, action, target_kind, target_id, before, after, answer)
		VALUES (gen_random_uuid(), 'k', '', 'ada', 'because', 'a', 'b', 'c', '{}', '{}', '')`)
	return u
}

func (u *upgraded) exec(sql string, args ...any) {
	u.t.Helper()
	if _, err := u.pool.Exec(u.t.Context(), sql, args...); err != nil {
		u.t.Fatal(err)
	}
}

func (u *upgraded) count(sql string, args ...any) (n int) {
	u.t.Helper()
	if err := u.pool.QueryRow(u.t.Context(), sql, args...).Scan(&n); err != nil {
		u.t.Fatal(err)
	}
	return n
}

func encode(t *testing.T, event events.Event) (order string, message []byte) {
	t.Helper()
	message, err := events.Encode(uuid.NewString(), time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	return event.Order(), message
}

// A database of the release before is taken over in place: nothing in it is lost, and all of it works afterwards.
func TestMigrate_UpgradesADatabaseOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second
	cancelOf := func() events.Event {
		return events.OrderCancelRequested{Subject: events.Subject{OrderID: uuid.NewString()}, Reason: "test"}
	}
	_, published := encode(t, events.ShipmentFailed{Subject: events.Subject{OrderID: uuid.NewString()}, Reason: "test"})
	handledOrder, handled := encode(t, cancelOf())
	letterOrder, letter := encode(t, cancelOf())
	u := newUpgraded(t, published, handled, letter)
	var replicas sync.WaitGroup
	for range 3 { // at once, as replicas do
		replicas.Go(func() {
			if err := service.Migrate(context.WithoutCancel(t.Context()), u.url); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	for sql, want := range map[string]int{
		`SELECT count(*) FROM outbox`:                                   2,
		`SELECT count(*) FROM inbox`:                                    1,
		`SELECT count(*) FROM dead_letter WHERE closed_at IS NULL`:      1,
		`SELECT count(*) FROM incident WHERE resolved_at IS NULL`:       1,
		`SELECT count(*) FROM operator_action WHERE by = 'ada'`:         1,
		`SELECT count(*) FROM pg_class WHERE relname = 'goose_mailbox'`: 0,
	} {
		if n := u.count(sql); n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}

	broker := testkit.Broker(t)
	cancel := func(context.Context, pgx.Tx, events.OrderCancelRequested) (events.Event, error) { return nil, nil }
	box, err := messaging.New(messaging.Config{
		Service: events.Shipping, Pool: u.pool, NATS: broker.Connect(t, events.Shipping),
		Handlers: []outbox.Handler{outbox.Handle(cancel), outbox.Handle(func(context.Context, pgx.Tx, events.PaymentProcessed) (events.Event, error) { return nil, nil })},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := box.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { end(); running.Wait() })
	eventually := func(n int, what, sql string, args ...any) {
		t.Helper()
		testkit.Eventually(t, timeout, what, func() bool { return u.count(sql, args...) == n })
	}
	eventually(2, "the rows to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)

	js, err := jetstream.New(broker.Connect(t, events.Order))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), events.OrderCancelRequested{}.Type().SubjectOf(handledOrder), handled); err != nil {
		t.Fatal(err)
	}
	freshOrder, fresh := encode(t, cancelOf())
	if _, err := js.Publish(t.Context(), events.OrderCancelRequested{}.Type().SubjectOf(freshOrder), fresh); err != nil {
		t.Fatal(err)
	}
	eventually(1, "a new event to take effect", `SELECT count(*) FROM inbox WHERE key = $1`, freshOrder)
	if n := u.count(`SELECT count(*) FROM inbox WHERE key = $1`, handledOrder); n != 1 {
		t.Errorf("the inbox has the old event %d times", n)
	}

	err = box.Tx(t.Context(), func(tx pgx.Tx) error {
		if applied, err := box.Redeliver(t.Context(), tx, letter); err != nil || !applied {
			t.Errorf("the dead letter: applied %v, %v", applied, err)
		}
		if _, err := tx.Exec(t.Context(), `UPDATE dead_letter SET closed_at = now(), closed_as = 'redriven' WHERE key = $1`, letterOrder); err != nil {
			return err
		}
		return incident.CloseDeadLetter(t.Context(), tx, events.Shipping, letterOrder, "upgraded")
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := u.count(`SELECT count(*) FROM incident WHERE resolved_at IS NULL`); n != 0 {
		t.Errorf("%d incidents are open", n)
	}
}

// Replicas that start on an empty database at once take turns. None of them has a statement refused, so nothing of it
// stands in the server's log.
func TestMigrate_ReplicasStartOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	for range 5 { // such a race is not lost each time
		url := testkit.EmptyDatabase(t)
		var replicas sync.WaitGroup
		for range 3 {
			replicas.Go(func() {
				if err := service.Migrate(context.WithoutCancel(t.Context()), url); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		testkit.Eventually(t, 30*time.Second, "all sessions to have ended", func() (ended bool) {
			err := conn.QueryRow(t.Context(), `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()`).Scan(&ended)
			return err == nil && ended
		})
		var refused int
		err = conn.QueryRow(t.Context(), `SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()`).Scan(&refused)
		if err != nil || refused != 0 {
			t.Errorf("%d transactions were rolled back (%v)", refused, err)
		}
	}
}
