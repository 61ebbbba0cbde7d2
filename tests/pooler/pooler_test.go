//go:build pooler

// Package pooler runs services whose connections lead through PgBouncer in transaction mode.
package pooler

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// connections to the server that the two services share.
const connections = 5

// bouncer is a running PgBouncer.
type bouncer struct{ host string }

// start starts a PgBouncer before the databases; more lines may be added to its configuration.
func start(t *testing.T, program string, sizes map[events.Service]int, databases map[events.Service]localservers.Database, more ...string) bouncer {
	t.Helper()
	dir := kit.Directory(t)
	port, err := localservers.FreePort()
	kit.Must(t, err)
	user, err := localservers.Unprivileged()
	kit.Must(t, err)
	config, users := "[databases]\n", ""
	for service, size := range sizes {
		u, err := url.Parse(databases[service].URL)
		kit.Must(t, err)
		config += fmt.Sprintf("%s = host=%s port=%s dbname=%s pool_size=%d\n", service, u.Hostname(), u.Port(), service, size)
		for _, text := range []string{databases[service].URL, databases[service].OwnerURL} {
			u, err := url.Parse(text)
			kit.Must(t, err)
			password, _ := u.User.Password()
			users += fmt.Sprintf("%q %q\n", u.User.Username(), password)
		}
	}
	config += fmt.Sprintf("[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\npool_mode = transaction\n"+
		"auth_type = scram-sha-256\nauth_file = %s\nmax_client_conn = 200\n%s\n", port, filepath.Join(dir, "users"), strings.Join(more, "\n"))
	kit.Must(t, os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644)) //nolint:gosec // of a test's own logins
	kit.Must(t, os.WriteFile(filepath.Join(dir, "ini"), []byte(config), 0o644))  //nolint:gosec // has no secret
	log, err := os.Create(filepath.Join(dir, "log"))
	kit.Must(t, err)
	process, err := localservers.Start(localservers.Command{
		Path: program, Args: []string{filepath.Join(dir, "ini")}, Dir: dir, Log: log, User: user})
	kit.Must(t, err)
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("PgBouncer: %.3000s", text)
		}
	})
	b := bouncer{"127.0.0.1:" + strconv.Itoa(port)}
	kit.Must(t, process.Until(t.Context(), func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.host)
		if err != nil {
			return err
		}
		return conn.Close()
	}))
	return b
}

// through is a database's URL by way of the pooler.
func (b bouncer) through(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	kit.Must(t, err)
	u.Host = b.host
	return u.String()
}

// servers starts a Postgres with the services' databases.
func servers(t *testing.T) (*localservers.Postgres, map[events.Service]localservers.Database) {
	t.Helper()
	server, err := localservers.StartPostgres(t.Context(), localservers.PostgresConfig{Dir: filepath.Join(kit.Directory(t), "postgres"), NoFsync: true})
	kit.Must(t, err)
	t.Cleanup(server.Kill)
	databases := map[events.Service]localservers.Database{}
	for _, service := range []events.Service{events.Order, events.Payment} {
		databases[service], err = localservers.CreateDatabase(t.Context(), server.URL(), service,
			localservers.Passwords{Service: "service", Owner: "owner", Audit: "audit"})
		kit.Must(t, err)
	}
	return server, databases
}

var sizes = map[events.Service]int{events.Order: 3, events.Payment: connections - 3}

func TestPooler_TwoServicesShareFiveConnections(t *testing.T) {
	t.Parallel()
	server, databases := servers(t)
	pooler := start(t, newBouncer(t), sizes, databases, "max_prepared_statements = 200")
	env := map[string]map[string]string{}
	for service, database := range databases {
		env[string(service)] = map[string]string{
			"DATABASE_URL": pooler.through(t, database.URL), "DATABASE_POOLER": "transaction", "MIGRATIONS_URL": database.OwnerURL}
	}
	s := kit.Start(t, supervisor.Options{NoFsync: true, Env: env})
	for service, database := range databases {
		s.At.Databases[string(service)] = database.AuditURL
	}
	var customers sync.WaitGroup
	for range 16 {
		customers.Go(func() {
			for range 6 {
				id, err := s.TryPlace(t.Context(), client.One("widget", 1))
				if err == nil {
					_, err = s.TryEnd(t.Context(), id)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	customers.Wait()
	n := kit.Query[int](t, server.URL(), `SELECT count(*) FROM pg_stat_activity WHERE usename IN ('order', 'payment')`)
	if n == 0 || n > connections {
		t.Errorf("%d connections, want at most %d, and some", n, connections)
	}
	for setting, want := range map[string]string{"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s", "enable_seqscan": "off"} {
		if got := kit.Query[string](t, pooler.through(t, databases[events.Order].URL), `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %s behind the pooler, want %s", setting, got, want)
		}
	}
	s.Holds(t)
}

// What is not set up as it must be ends a service at its start.
func TestPooler_WhatIsRefused(t *testing.T) {
	t.Parallel()
	_, databases := servers(t)
	database := databases[events.Payment]
	pooler := start(t, newBouncer(t), sizes, databases, "max_prepared_statements = 200")
	ignorant := start(t, newBouncer(t), sizes, databases, "max_prepared_statements = 0")
	for _, test := range []struct {
		name, url, migrations, declared, want string
	}{
		{"not declared", pooler.through(t, database.URL), database.OwnerURL, "none", "set DATABASE_POOLER=transaction"},
		{"migrations through it", pooler.through(t, database.URL), pooler.through(t, database.OwnerURL), "transaction", "MIGRATIONS_URL leads through a pooler"},
		{"no prepared statements, as before 1.21", ignorant.through(t, database.URL), database.OwnerURL, "transaction", "PgBouncer 1.21 or newer"},
		{"no pooler", database.URL, database.OwnerURL, "transaction", "PgBouncer 1.21 or newer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused(t, test.url, test.migrations, test.declared, test.want)
		})
	}
}

// refused runs a payment service, which must end and say why.
func refused(t *testing.T, url, migrations, declared, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	program := exec.CommandContext(ctx, filepath.Join("..", "..", "bin", "payment"))
	program.Env = append(os.Environ(), "DATABASE_URL="+url, "MIGRATIONS_URL="+migrations, "DATABASE_POOLER="+declared, "NATS_URL=nats://127.0.0.1:1")
	output, err := program.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	if last := lines[len(lines)-1]; err == nil || ctx.Err() != nil || !strings.Contains(last, want) {
		t.Errorf("it ended with %v: %s", err, last)
	}
}

// newBouncer is a PgBouncer that can be used: what PGBOUNCER names, else what `make` has built.
func newBouncer(t *testing.T) string {
	t.Helper()
	program := os.Getenv("PGBOUNCER")
	if program == "" {
		program = filepath.Join("..", "..", ".bin", "pgbouncer")
	}
	program, err := filepath.Abs(program)
	kit.Must(t, err)
	_, err = os.Stat(program)
	kit.Must(t, err)
	return program
}
