package testkit

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/service"
)

// EmptyDatabase makes a database that has the tables of the migrations and nothing else, for tests of what is no
// service. It returns the superuser's URL. The database is dropped when the test ends.
func EmptyDatabase(t testing.TB, migrations ...Migration) string {
	t.Helper()
	process.mustHaveMain(t)
	c, err := process.postgres()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	name := freshName("empty")
	conn, err := pgx.Connect(ctx, c.adminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(t, name) })
	u, err := url.Parse(c.adminURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	for _, m := range migrations {
		if err := service.Apply(ctx, u.String(), service.Migrations{Table: m.Table, Files: m.FS}); err != nil {
			t.Fatal(err)
		}
	}
	return u.String()
}

// NoDatabase is a pool of a database that cannot be reached.
func NoDatabase(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
