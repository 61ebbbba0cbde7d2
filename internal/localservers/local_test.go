package localservers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
)

var passwords = localservers.Passwords{Service: "service's secret", Owner: "owner's secret", Audit: "audit's secret"}

// What was committed survives a kill, also without fsync: only a power loss may take it then.
func TestPostgres_SurvivesStopAndKill(t *testing.T) {
	t.Parallel()
	for fsync, noFsync := range map[string]bool{"on": false, "off": true} {
		t.Run("fsync "+fsync, func(t *testing.T) {
			t.Parallel()
			p := startPostgres(t, localservers.PostgresConfig{NoFsync: noFsync})
			exec(t, p.URL(), "CREATE TABLE kept (n int)")
			stop := func() {
				if err := p.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, end := range []func(){stop, p.Kill} {
				before := p.PID()
				exec(t, p.URL(), "INSERT INTO kept VALUES (1)")
				end()
				if _, err := pgx.Connect(t.Context(), p.URL()); err == nil {
					t.Fatal("the server still answers")
				}
				if err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p.PID() == before {
					t.Fatal("the same process is there")
				}
			}
			if n := query[int](t, p.URL(), "SELECT count(*)::int FROM kept"); n != 2 {
				t.Errorf("%d rows after a stop and a kill, want the 2 that were committed", n)
			}
			if got := query[string](t, p.URL(), "SHOW fsync"); got != fsync {
				t.Errorf("fsync is %s, want %s", got, fsync)
			}
		})
	}
}

func TestServers_ErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	number, _ := strconv.Atoi(port)
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		start func(t *testing.T) error
		want  string
	}{
		{"Postgres, port in use", func(t *testing.T) error {
			t.Helper()
			_, err := localservers.StartPostgres(t.Context(), localservers.PostgresConfig{Dir: dataDir(t), Port: number, NoFsync: true})
			return err
		}, "the port is in use by another process"},
		{"NATS, port in use", func(t *testing.T) error {
			t.Helper()
			_, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Port: number, Config: "jetstream {}"})
			return err
		}, "the port is in use by another process"},
		{"NATS, broken configuration", func(t *testing.T) error {
			t.Helper()
			_, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: "jetstream {"})
			return err
		}, "Parse error"},
		{"Postgres, setting it does not know", func(t *testing.T) error {
			t.Helper()
			_, err := localservers.StartPostgres(t.Context(), localservers.PostgresConfig{Dir: dataDir(t), NoFsync: true, Settings: map[string]string{"nonsense": "1"}})
			return err
		}, `unrecognized configuration parameter "nonsense"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.start(t)
			if err == nil {
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %q, want one line with %q", err, test.want)
			}
		})
	}
}

func TestBinaries_ThatAreNotThere(t *testing.T) {
	t.Setenv("PG_BINDIR", t.TempDir())
	if _, err := localservers.PostgresBinaries(); err == nil || !strings.Contains(err.Error(), "PG_BINDIR") {
		t.Errorf("PG_BINDIR without postgres: %v", err)
	}
	t.Setenv("NATS_SERVER", filepath.Join(t.TempDir(), "nats-server"))
	if _, err := localservers.NATSServer(t.Context()); err == nil || !strings.Contains(err.Error(), "NATS_SERVER") {
		t.Errorf("NATS_SERVER without a file: %v", err)
	}
}

func TestDatabase_AServiceReachesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, localservers.PostgresConfig{NoFsync: true})
	databases := map[events.Service]localservers.Database{}
	for _, service := range events.Consumers {
		db, err := localservers.CreateDatabase(t.Context(), p.URL(), service, passwords)
		if err != nil {
			t.Fatal(err)
		}
		databases[service] = db
		exec(t, db.OwnerURL, "CREATE TABLE shelf (n bigint GENERATED ALWAYS AS IDENTITY, word text)")
		exec(t, db.URL, "INSERT INTO shelf (word) VALUES ('a')", "UPDATE shelf SET word = 'b'", "DELETE FROM shelf")
		query[int](t, db.AuditURL, "SELECT count(*)::int FROM shelf")
		for what, refused := range map[string]struct{ url, sql string }{
			"service makes a table":     {db.URL, "CREATE TABLE other (n int)"},
			"service makes a temporary": {db.URL, "CREATE TEMPORARY TABLE other (n int)"},
			"service makes a database":  {db.URL, "CREATE DATABASE other"},
			"service drops its table":   {db.URL, "DROP TABLE shelf"},
			"service empties its table": {db.URL, "TRUNCATE shelf"},
			"audit writes":              {db.AuditURL, "BEGIN READ WRITE; INSERT INTO shelf (word) VALUES ('a')"},
		} {
			if code := codeOf(attempt(t, refused.url, refused.sql)); code != "42501" {
				t.Errorf("%s: %s: code %q, want 42501 (insufficient privilege)", service, what, code)
			}
		}
		for setting, want := range map[string]string{
			"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s",
		} {
			if got := query[string](t, db.URL, "SHOW "+setting); got != want {
				t.Errorf("%s: %s is %s, want %s", service, setting, got, want)
			}
		}
	}
	tried, reached := 0, 0
	for service, db := range databases {
		for _, other := range []string{"order", "inventory", "payment", "shipping", "postgres", "template1"} {
			if other == string(service) {
				continue
			}
			for _, login := range []string{db.URL, db.OwnerURL} {
				elsewhere := strings.Replace(login, "/"+string(service)+"?", "/"+other+"?", 1)
				tried++
				if code := codeOf(attempt(t, elsewhere, "SELECT 1")); code != "42501" {
					reached++
					t.Errorf("a login of %s in the database %s: code %q, want 42501 (insufficient privilege)", service, other, code)
				}
			}
		}
	}
	t.Logf("measured: %d of %d logins reached another database", reached, tried)
}

func TestDatabase_IsCreatedByManyAtOnce(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, localservers.PostgresConfig{NoFsync: true})
	var group sync.WaitGroup
	for range 4 {
		for _, service := range events.Consumers {
			group.Go(func() {
				if _, err := localservers.CreateDatabase(t.Context(), p.URL(), service, passwords); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
}

func TestNATS_KeepsItsStoreUntilItIsWiped(t *testing.T) {
	t.Parallel()
	n, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: "jetstream {}"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	if err := n.Wipe(); err == nil {
		t.Error("a running server let itself be wiped")
	}
	kept := filepath.Join(n.Store(), "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.Kill()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("a kill took the store: %v", err)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := n.Wipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the store is there after it was wiped: %v", err)
	}
}

func TestProcess_StopKillsWhatIgnoresTheSignal(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	log, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	p, err := localservers.Start(localservers.Command{Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo ready; while :; do read x; done"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.Contains(text, "ready"); {
		read, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		text = string(read)
	}
	if err := p.Stop(t.Context(), 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stop says %v", err)
	}
	if p.Running() {
		t.Error("it still runs")
	}
}

// A child whose parent is killed has to go too, or every killed test would leave servers behind. This
// test starts itself as the parent.
func TestProcess_DiesWithItsParent(t *testing.T) {
	if os.Getenv("LOCAL_TEST_PARENT") != "" {
		child, err := localservers.Start(localservers.Command{Path: "/bin/sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("child", child.PID())
		_ = child.Wait()
		return
	}
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	log, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	parent, err := localservers.Start(localservers.Command{Path: os.Args[0], Args: []string{"-test.run=TestProcess_DiesWithItsParent"},
		Env: append(os.Environ(), "LOCAL_TEST_PARENT=1"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	for child == 0 && parent.Running() {
		read, _ := os.ReadFile(out)
		for line := range strings.Lines(string(read)) {
			if rest, ok := strings.CutPrefix(line, "child "); ok && strings.HasSuffix(rest, "\n") {
				child, _ = strconv.Atoi(strings.TrimSpace(rest))
			}
		}
	}
	parent.Kill()
	if child == 0 {
		t.Fatal("the parent started no child")
	}
	for begin := time.Now(); alive(child); {
		if time.Since(begin) > 10*time.Second {
			_ = syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("the child outlived its parent by 10 s")
		}
	}
}

// alive says whether the process runs; one that has ended and waits to be collected does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func startPostgres(t *testing.T, c localservers.PostgresConfig) *localservers.Postgres {
	t.Helper()
	c.Dir = dataDir(t)
	p, err := localservers.StartPostgres(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// dataDir is a directory that the server's user can reach, which t.TempDir is not.
func dataDir(t *testing.T) string {
	t.Helper()
	root, err := localservers.DataRoot("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(root, "postgres")
}

func exec(t *testing.T, url string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := attempt(t, url, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func attempt(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return errors.Join(err, conn.Close(context.WithoutCancel(t.Context())))
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	err = conn.QueryRow(t.Context(), sql).Scan(&value)
	if err = errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func codeOf(err error) string {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
