package postgres_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// The database becomes one that only reads, as when its primary has become a standby, and then writable again. The
// pool gets connections that write without anybody's help.
func TestProbe_AReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	probe := postgres.Probe{Pool: pool(t, db.URL, time.Minute)}
	if err := probe.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close(context.WithoutCancel(t.Context())) }) //nolint:errcheck // its server may be gone
	become := func(how string) {
		t.Helper()
		for _, statement := range []string{
			`DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I ` + how + `', current_user, current_database()); END $$`,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	become(`SET default_transaction_read_only = on`)
	testkit.Eventually(t, 10*time.Second, "the probe to find out", func() bool {
		err := probe.Writable(t.Context())
		return err != nil && strings.Contains(err.Error(), "cannot be written: it is a standby, or read-only")
	})
	if _, err := admin.Exec(t.Context(), `BEGIN READ WRITE`); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(),
		`DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', current_user, current_database()); END $$`); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, "the connections that only read are given up", func() bool {
		return probe.Writable(t.Context()) == nil
	})
}

// A server that may write no file of 1 MB stands for one whose disk is full.
func TestProbe_AFullDisk(t *testing.T) {
	t.Parallel()
	root, err := localservers.DataRoot("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	server, err := localservers.StartPostgres(t.Context(), localservers.PostgresConfig{
		Dir: filepath.Join(root, "postgres"), NoFsync: true, Settings: map[string]string{"temp_file_limit": "900kB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	made, err := localservers.CreateDatabase(t.Context(), server.URL(), events.Shipping,
		localservers.Passwords{Service: "a", Owner: "b", Audit: "c"})
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), made.OwnerURL); err != nil {
		t.Fatal(err)
	} else if _, err := conn.Exec(t.Context(), `CREATE TABLE inbox ()`); err != nil {
		t.Fatal(err)
	}
	probe := postgres.Probe{Pool: pool(t, made.URL, time.Minute)}
	if err := probe.Writable(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be written: ERROR: temporary file") {
		t.Errorf("the probe says: %v", err)
	}
}

func TestProbe_AServerThatHangs(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	hanging := newHost(t, server(t, db.URL))
	probe := postgres.Probe{Pool: pool(t, through(t, db.URL, hanging.address), time.Minute)}
	if err := probe.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	hanging.freeze()
	testkit.Eventually(t, 10*time.Second, "the probe to find out", func() bool {
		began := time.Now()
		err := probe.Writable(t.Context())
		if took := time.Since(began); took > 8*time.Second { // a minute without
			t.Errorf("it took %v", took)
		}
		return err != nil && strings.Contains(err.Error(), "does not answer")
	})
}
