package sagas

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestDatabase_LosesCommits has the database of each service go on with an older copy of itself, as after the failover
// to an asynchronous standby or the restore of a backup: what all others know has never happened there. The service reads
// the stream, and everything is again as it was.
func TestDatabase_LosesCommits(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true})
	admin, err := pgx.Connect(t.Context(), w.Superuser())
	kit.Must(t, err)
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	differ := 0
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
			for id, end := range w.ends(t) {
				if before[id] != end {
					differ++
				}
			}
			if again, _, err := w.Shop.Place(t.Context(), known); err != nil || again.Id != id {
				t.Errorf("a request that was answered with order %s before the loss is answered with %s (%v)", id, again.Id, err)
			}
			w.Holds(t, w.Secrets()...)
		})
	}
	t.Logf("measured: %d orders differ", differ)
	t.Run("the last unit stays with the order that was promised it", func(t *testing.T) { theLastUnit(t, w, admin) })
	t.Run("what cannot be made true again is a person's", func(t *testing.T) { decidedOtherwise(t, w, admin) })
	t.Run("a person decides where the stream ends", func(t *testing.T) { behindTheStream(t, w, admin) })
}

// theLastUnit has an event fail until another order has the last unit. After the loss the events come in the order of the
// stream, where that one is later.
func theLastUnit(t *testing.T, w *system, admin *pgx.Conn) {
	_, err := w.Shop.SetStock(t.Context(), "last-one", 1, "one for two")
	kit.Must(t, err)
	w.copyDatabase(t, admin, events.Inventory)
	kit.Must(t, w.AwaitReady(t.Context()))
	w.consumer(t, http.MethodPut, map[string]string{"for": "1m"})
	loser := w.Place(t, client.One("last-one", 1))
	w.Arm(t, "inventory", failpoint.Armament{Point: failpoint.InboxStepped, Kind: failpoint.Error, Order: loser, Times: new(int)})
	winner := w.Place(t, client.One("last-one", 1))
	w.consumer(t, http.MethodDelete, nil)
	if got := w.Ends(t, winner); got.Status != order.CONFIRMED {
		t.Fatalf("the order whose event did not fail is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	w.Disarm(t, "inventory")
	if got := w.Ends(t, loser); got.Status != order.CANCELLED {
		t.Fatalf("there was one unit for two, and both are %s", got.Status)
	}
	w.loseCommits(t, admin, events.Inventory)
	w.AwaitState(t, "inventory", "reservation", winner, "SOLD")
	w.AwaitState(t, "inventory", "reservation", loser, "REJECTED")
	w.Holds(t, w.Secrets()...)
}

// decidedOtherwise has an operator's delivery be lost, too: without it the stock does not suffice for what was promised.
func decidedOtherwise(t *testing.T, w *system, admin *pgx.Conn) {
	w.copyDatabase(t, admin, events.Inventory)
	kit.Must(t, w.AwaitReady(t.Context()))
	_, err := w.Shop.SetStock(t.Context(), "unobtainium", 1, "a delivery")
	kit.Must(t, err)
	id := w.Place(t, client.One("unobtainium", 1))
	if got := w.Ends(t, id); got.Status != order.CONFIRMED {
		t.Fatalf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	w.AwaitState(t, "inventory", "reservation", id, "SOLD")
	w.loseCommits(t, admin, events.Inventory)
	kit.Eventually(t, "a person to be asked", func() error {
		if kinds := kit.Query[[]string](t, w.At.Databases["inventory"], `
			SELECT coalesce(array_agg(kind), '{}') FROM incident WHERE order_id = $1 AND resolved_at IS NULL`, id); !slices.Equal(kinds, []string{"lost_commits"}) {
			return fmt.Errorf("the order has the incidents %v", kinds)
		}
		return w.AwaitReady(t.Context())
	})
	if got := w.Count(t, "inventory", `SELECT count(*) FROM outbox WHERE key = $1 AND type LIKE '%InventoryRejected%'`, id); got != 0 {
		t.Error("the opposite of what was published is published, too")
	}
	if violated := w.violated(t); !slices.Contains(violated, "I6") {
		t.Errorf("a confirmed order has no stock, and verify finds %v", violated)
	}
	open, err := w.openIncident(t, id)
	kit.Must(t, err)
	w.sagactl(t, "incidents", "close", open, "--by", "grace", "--why", "the unit was found in the shelf")
	if open, err := w.openIncident(t, id); err == nil {
		t.Errorf("incident %s is still open", open)
	}
}

// behindTheStream has a database lack what the stream has dropped: it stays closed until a person accepts that.
func behindTheStream(t *testing.T, w *system, admin *pgx.Conn) {
	w.copyDatabase(t, admin, events.Shipping)
	kit.Must(t, w.AwaitReady(t.Context()))
	w.Ends(t, w.Place(t, client.One("widget", 1)))
	stream, err := w.administrator(t).Stream(t.Context(), events.Stream)
	kit.Must(t, err)
	kit.Must(t, stream.Purge(t.Context()))
	w.loseCommits(t, admin, events.Shipping)
	kit.Eventually(t, "shipping to refuse its database", func() error {
		shown := string(w.sagactl(t, "database", "list"))
		if !strings.Contains(shown, "✗ shipping") || !strings.Contains(shown, "a person has to decide") {
			return errors.New(shown)
		}
		return nil
	})
	waiting := w.Place(t, client.One("widget", 1))
	shown := w.sagactl(t, "database", "accept", "shipping", "--by", "grace", "--why", "the parcels were counted")
	if !strings.Contains(string(shown), "✓ shipping") {
		t.Errorf("after it was accepted: %s", shown)
	}
	if got := w.Ends(t, waiting); got.Status != order.CONFIRMED {
		t.Errorf("an order that waited for shipping is %s", got.Status)
	}
	if n := w.Count(t, "shipping", `SELECT count(*) FROM operator_action WHERE action = 'accept' AND by = 'grace'`); n != 1 {
		t.Errorf("who decided is recorded %d times", n)
	}
	if violated := w.violated(t); !slices.Contains(violated, "I6") {
		t.Errorf("a confirmed order has no shipment, and verify finds %v", violated)
	}
}

// violated are the invariants that do not hold.
func (w *system) violated(t *testing.T) (ids []string) {
	t.Helper()
	report, err := verify.Check(t.Context(), w.At, verify.Options{})
	kit.Must(t, err)
	for _, r := range report.Results {
		if !r.Holds {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// consumer pauses inventory's consumer (PUT), or lets it go on (DELETE).
func (w *system) consumer(t *testing.T, method string, body any) {
	t.Helper()
	kit.Must(t, w.At.AskAdmin(t.Context(), endpoints.AdminRequest{
		Process: "inventory", Method: method, Path: "/consumer/pause", Body: body,
	}, nil))
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
