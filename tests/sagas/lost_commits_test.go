package sagas

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// TestDatabase_LosesCommits has the database of each service go on with an older copy of itself, as after the failover
// to an asynchronous standby or the restore of a backup: what all others know has never happened there. The service reads
// the stream, and everything is again as it was.
func TestDatabase_LosesCommits(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{})
	admin, err := pgx.Connect(t.Context(), w.Superuser())
	kit.Must(t, err)
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	for _, services := range [][]events.Service{
		{events.Shipping}, {events.Inventory}, {events.Payment}, {events.Order}, events.Services,
	} {
		t.Run(fmt.Sprint(services), func(t *testing.T) { // one after the other: it is the same system
			kit.Must(t, w.AwaitReady(t.Context()))
			w.Ends(t, w.Place(t, client.One("widget", 1)))
			for _, service := range services {
				w.copyDatabase(t, admin, service)
			}
			t.Run("outcomes", func(t *testing.T) { kit.Outcomes(t, w.System) })
			kit.CancelInTime(t, w.System)
			known := client.One("widget", 3)
			known.Key = uuid.NewString()
			id := w.Place(t, known)
			w.Ends(t, id)
			w.Holds(t, w.Secrets()...)
			before := w.ends(t)
			for _, service := range services {
				w.loseCommits(t, admin, service)
			}
			kit.Eventually(t, "the services have what they lacked", func() error {
				if after := w.ends(t); !maps.Equal(before, after) {
					return fmt.Errorf("orders have ended as %v, and had as %v", after, before)
				}
				return w.AwaitReady(t.Context())
			})
			if again, _, err := w.Shop.Place(t.Context(), known); err != nil || again.Id != id {
				t.Errorf("a request that was answered with order %s before the loss is answered with %s (%v)", id, again.Id, err)
			}
			w.Holds(t, w.Secrets()...)
		})
	}
}

// ends is how each order has ended, by its id.
func (w *system) ends(t *testing.T) map[string]string {
	t.Helper()
	return kit.Query[map[string]string](t, w.At.Databases["order"], `SELECT coalesce(json_object_agg(id, status), '{}') FROM orders`)
}

// older is the name of the copy of a service's database.
func older(service events.Service) string {
	return pgx.Identifier{string(service) + "_older"}.Sanitize()
}

// alone runs statements while nobody else is connected to a service's database.
func (w *system) alone(t *testing.T, admin *pgx.Conn, service events.Service, statements ...string) {
	t.Helper()
	name := pgx.Identifier{string(service)}.Sanitize()
	all := append([]string{
		`ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '` + string(service) + `'`,
	}, statements...)
	for _, statement := range append(all, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS true`) {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// copyDatabase makes the copy that comes back later.
func (w *system) copyDatabase(t *testing.T, admin *pgx.Conn, service events.Service) {
	t.Helper()
	w.alone(t, admin, service, `CREATE DATABASE `+older(service)+` TEMPLATE `+pgx.Identifier{string(service)}.Sanitize())
}

// loseCommits puts the copy in the place of the database.
func (w *system) loseCommits(t *testing.T, admin *pgx.Conn, service events.Service) {
	t.Helper()
	name := pgx.Identifier{string(service)}.Sanitize()
	w.alone(t, admin, service, `DROP DATABASE `+name, `ALTER DATABASE `+older(service)+` RENAME TO `+name)
	_, err := localservers.CreateDatabase(t.Context(), w.Superuser(), service, w.Passwords(service)) // who may connect
	kit.Must(t, err)
}
