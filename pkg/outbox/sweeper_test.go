package outbox_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
)

func TestSweeper_DeletesOldRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, err := outbox.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	// What stays comes first: positions say nothing about what was published.
	w.exec(`INSERT INTO outbox (id, key, type, subject, payload, created_at)
		SELECT gen_random_uuid(), gen_random_uuid(), 'unpublished', 's', '', now() - interval '30 days' FROM generate_series(1, 10)`)
	w.exec(`INSERT INTO outbox (id, key, type, subject, payload, published_at, stream_seq)
		SELECT gen_random_uuid(), gen_random_uuid(), 'young', 's', '', now() - interval '23 hours', 1 FROM generate_series(1, 10)`)
	w.exec(`INSERT INTO outbox (id, key, type, subject, payload, published_at, stream_seq)
		SELECT gen_random_uuid(), gen_random_uuid(), 'old', 's', '', now() - interval '24 hours 1 minute', 1 FROM generate_series(1, 2500)`)
	w.exec(`INSERT INTO inbox (event_id, type, key, received_at)
		SELECT gen_random_uuid(), 'old', gen_random_uuid(), now() - interval '72 hours 1 minute' FROM generate_series(1, 2500)`)
	w.exec(`INSERT INTO inbox (event_id, type, key, received_at)
		SELECT gen_random_uuid(), 'young', gen_random_uuid(), now() - interval '71 hours' FROM generate_series(1, 10)`)

	if err := m.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM outbox WHERE type = 'old'`:         0,
		`SELECT count(*) FROM outbox WHERE type = 'young'`:       10,
		`SELECT count(*) FROM outbox WHERE type = 'unpublished'`: 10,
		`SELECT count(*) FROM inbox WHERE type = 'old'`:          0,
		`SELECT count(*) FROM inbox WHERE type = 'young'`:        10,
	} {
		if n := w.count(query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

// Locked rows are left for the next sweep, instead of making this one wait.
func TestSweeper_DoesNotWaitForLockedRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, err := outbox.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO inbox (event_id, type, key, received_at)
		SELECT gen_random_uuid(), 'old', gen_random_uuid(), now() - interval '73 hours' FROM generate_series(1, 10)`)
	err = pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT FROM inbox LIMIT 1 FOR UPDATE`); err != nil {
			return err
		}
		return m.Sweep(t.Context())
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM inbox`); n != 1 {
		t.Errorf("%d rows are left, want the one that was held", n)
	}
}

func TestSweeper_AnInterruptedSweepIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.SweepBeforeDelete, failpoint.SweepDeleted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m, err := outbox.New(w.config)
			if err != nil {
				t.Fatal(err)
			}
			w.exec(`INSERT INTO inbox (event_id, type, key, received_at) VALUES (gen_random_uuid(), 'old', gen_random_uuid(), now() - interval '73 hours')`)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1})
			if err := m.Sweep(t.Context()); err == nil {
				t.Error("the fault did not fire")
			}
			if err := m.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			if n := w.count(`SELECT count(*) FROM inbox`); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}
