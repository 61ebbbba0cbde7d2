package incident_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is the database of a service.
type world struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t, testkit.Database(t, events.Shipping).Pool}
}

func (w *world) do(fn func(ctx context.Context, tx pgx.Tx) error) error {
	w.t.Helper()
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error { return fn(w.t.Context(), tx) })
}

func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	if err := w.pool.QueryRow(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestIncident_IsOpenOncePerKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := uuid.NewString()
	open := func(kind string) (id string) {
		t.Helper()
		err := w.do(func(ctx context.Context, tx pgx.Tx) (err error) {
			id, err = incident.Open(ctx, tx, events.Shipping, order, kind, "because")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	closes := func(kind string) {
		t.Helper()
		err := w.do(func(ctx context.Context, tx pgx.Tx) error {
			return incident.Close(ctx, tx, events.Shipping, order, kind, "repaired")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(incidents, opened, resolved int) {
		t.Helper()
		for query, want := range map[string]int{
			`SELECT count(*) FROM incident`:                                                incidents,
			`SELECT count(*) FROM outbox WHERE type = 'saga.shipping.IncidentOpened.v1'`:   opened,
			`SELECT count(*) FROM outbox WHERE type = 'saga.shipping.IncidentResolved.v1'`: resolved,
		} {
			if n := w.count(query); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
	}
	closes("lost") // there is none
	expect(0, 0, 0)
	first := open("lost")
	if second := open("lost"); second != first {
		t.Errorf("opened twice: %s and %s", first, second)
	}
	expect(1, 1, 0)
	if other := open("late"); other == first {
		t.Error("another kind is the same incident")
	}
	expect(2, 2, 0)
	closes("lost")
	closes("lost")
	expect(2, 2, 1)
	if next := open("lost"); next == first {
		t.Error("an incident that was closed is open under its old id")
	}
	expect(3, 3, 1)
	if n := w.count(`SELECT count(*) FROM incident WHERE id = $1 AND resolution = 'repaired' AND resolved_at IS NOT NULL AND reason = 'because'`, first); n != 1 {
		t.Error("the closed incident does not show how it ended")
	}
}

// A step that is done again, on another database, opens the incident that it opened before; the next one of its kind is
// another one.
func TestIncident_IsTheSameWhereverItIsOpened(t *testing.T) {
	t.Parallel()
	order := uuid.NewString()
	var all [2][]string
	for i := range all {
		w := newWorld(t)
		for range 2 {
			err := w.do(func(ctx context.Context, tx pgx.Tx) error {
				id, err := incident.Open(ctx, tx, events.Shipping, order, "overdue", "because")
				if err == nil {
					err = incident.Close(ctx, tx, events.Shipping, order, "overdue", "repaired")
				}
				all[i] = append(all[i], id)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(all[0], all[1]) || all[0][0] == all[0][1] {
		t.Errorf("the incidents are %v on one database and %v on another one", all[0], all[1])
	}
}

func TestIncident_ManyOpenOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := uuid.NewString()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			err := w.do(func(ctx context.Context, tx pgx.Tx) (err error) {
				ids[i], err = incident.Open(ctx, tx, events.Shipping, order, "lost", "because")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("opened %s and %s", ids[0], id)
		}
	}
	if n := w.count(`SELECT count(*) FROM outbox`); n != 1 {
		t.Errorf("it was published %d times", n)
	}
}
