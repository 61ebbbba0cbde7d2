package kit

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
)

// Pair is a primary and its standby, with the databases of all services. No commit is acknowledged before the standby
// has it.
type Pair struct {
	Primary, Standby *localservers.Postgres

	databases map[events.Service]localservers.Database
}

// StartPair starts a pair of servers that ends with the test.
func StartPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{databases: map[events.Service]localservers.Database{}}
	dir := Directory(t)
	start := func(c localservers.PostgresConfig) *localservers.Postgres {
		t.Helper()
		c.NoFsync = true
		server, err := localservers.StartPostgres(t.Context(), c)
		Must(t, err)
		t.Cleanup(func() {
			if err := server.Thaw(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			server.Kill()
		})
		return server
	}
	p.Primary = start(localservers.PostgresConfig{Dir: filepath.Join(dir, "primary"), Replicates: true,
		Settings: map[string]string{"synchronous_standby_names": "*"}})
	p.Standby = start(localservers.PostgresConfig{Dir: filepath.Join(dir, "standby"), Follows: p.Primary})
	for _, service := range events.Consumers {
		made, err := localservers.CreateDatabase(t.Context(), p.Primary.URL(), service,
			localservers.Passwords{Service: "service", Owner: "owner", Audit: "audit"})
		Must(t, err)
		p.databases[service] = made
	}
	return p
}

// hosts are the addresses of a URL of the primary, replaced by those of the given servers.
func hosts(t testing.TB, text, attribute string, servers ...*localservers.Postgres) string {
	t.Helper()
	u, err := url.Parse(text)
	Must(t, err)
	var list []string
	for _, server := range servers {
		at, err := url.Parse(server.URL())
		Must(t, err)
		list = append(list, at.Host)
	}
	u.Host = strings.Join(list, ",")
	query := u.Query()
	query.Set("target_session_attrs", attribute)
	u.RawQuery = query.Encode()
	return u.String()
}

// Start starts a system whose services have their databases here.
func (p *Pair) Start(t testing.TB) *System {
	t.Helper()
	env := map[string]map[string]string{}
	for service, database := range p.databases {
		env[string(service)] = map[string]string{
			"DATABASE_URL":   hosts(t, database.URL, "read-write", p.Primary, p.Standby),
			"MIGRATIONS_URL": hosts(t, database.OwnerURL, "read-write", p.Primary, p.Standby),
		}
	}
	s := Start(t, supervisor.Options{NoFsync: true, Env: env})
	for service, database := range p.databases {
		// Who looks never writes, and mostly does it when the standby has been promoted.
		s.At.Databases[string(service)] = hosts(t, database.AuditURL, "primary", p.Standby, p.Primary)
	}
	return s
}
