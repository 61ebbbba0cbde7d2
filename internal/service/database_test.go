package service_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// A look-up that was prepared while its table was empty, and that nobody has planned anew, reads a few blocks when the
// table is long.
func TestPlanByKey_APlanFromBeforeTheRowsLooksThemUp(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(testkit.Database(t, events.Shipping).OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	service.PlanByKey(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	execute := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// So wide that a plan for no rows reads the table.
	execute(`CREATE TABLE wide (key text PRIMARY KEY, a text, b text, c text, d text, e text, f text, g text, h text, i text,
		j text, k text, l text, m text, body text) WITH (autovacuum_enabled = off)`)
	lookUp := func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, `SELECT body FROM unnest($1::text[]) AS asked (key) JOIN wide USING (key)`, []string{"7", "19000"})
		return err
	}
	for range 10 { // from the sixth on, Postgres keeps one plan
		testkit.Touched(t, pool, lookUp)
	}
	execute(`INSERT INTO wide (key, body) SELECT n, repeat('x', 200) FROM generate_series(1, 20000) AS n`)
	if n := testkit.Touched(t, pool, lookUp); n > 50 {
		t.Errorf("two rows of 20,000 were looked up in %d blocks", n)
	}
	var jit string
	if err := pool.QueryRow(t.Context(), `SELECT setting || ' by ' || source FROM pg_settings WHERE name = 'jit'`).Scan(&jit); err != nil || jit != "off by client" {
		t.Errorf("jit is %s (%v)", jit, err)
	}
}
