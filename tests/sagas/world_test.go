package sagas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/running"
	"example.com/ordersaga/apps/shop"
	"example.com/ordersaga/apps/system"
	"example.com/ordersaga/apps/verify"
	order "example.com/ordersaga/services/order/api"
)

// world is a running system and its customers.
type world struct {
	*system.System
	dir  string
	at   running.System
	shop *shop.Shop

	mu    sync.Mutex
	acked []verify.Acknowledged // what customers were promised
}

// open starts a system. When the test ends, everything must hold, and everything ends.
func open(t *testing.T, o system.Options) *world {
	t.Helper()
	w := &world{dir: directory(t)}
	o.Dir, o.Bin, o.NoFsync = w.dir, os.Getenv("ORDERSAGA_BIN"), true
	var err error
	if w.System, err = system.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("the system did not end cleanly: %v", err)
		}
	})
	w.at = w.Describe()
	if w.shop, err = shop.Open(w.at); err != nil {
		t.Fatal(err)
	}
	return w
}

// directory is where a system keeps its data and logs. It stays when the test has failed.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ordersaga-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // Postgres runs as another user and must reach its data
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs stay in %s", filepath.Join(dir, "logs"))
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// place places an order that must be accepted.
func (w *world) place(t *testing.T, wish shop.Wish) string {
	t.Helper()
	id, err := w.tryPlace(t.Context(), wish)
	must(t, err)
	return id
}

// tryPlace is [world.place] for a customer of their own. Whoever is not answered, or answered "not now", asks
// again with the same key.
func (w *world) tryPlace(ctx context.Context, wish shop.Wish) (id string, err error) {
	if wish.Key == "" {
		wish.Key = uuid.NewString()
	}
	err = until(ctx, "the order to be accepted", func() error {
		got, body, err := w.shop.Place(ctx, wish)
		if err != nil {
			return err
		}
		id = got.Id
		w.mu.Lock()
		defer w.mu.Unlock()
		w.acked = append(w.acked, verify.Acknowledged{OrderID: id, Key: wish.Key, Body: body})
		return nil
	})
	return id, err
}

// ends waits until the order has ended, however often the services are away meanwhile.
func (w *world) ends(t *testing.T, id string) order.Order {
	t.Helper()
	got, err := w.tryEnd(t.Context(), id)
	must(t, err)
	return got
}

// tryEnd is [world.ends] for a customer of their own.
func (w *world) tryEnd(ctx context.Context, id string) (got order.Order, err error) {
	err = until(ctx, "order "+id+" to end", func() error {
		if got, err = w.shop.Get(ctx, id); err != nil {
			return err
		}
		if got.Status != order.CONFIRMED && got.Status != order.CANCELLED {
			return fmt.Errorf("it is %s", got.Status)
		}
		return nil
	})
	return got, err
}

// holds has every invariant checked when the system has come to rest.
func (w *world) holds(t *testing.T) {
	t.Helper()
	report, err := verify.Check(t.Context(), w.at, verify.Options{
		AtRest: true, Within: time.Minute, Acknowledged: w.acked, Secrets: w.Secrets(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if !result.Holds {
			t.Errorf("%s does not hold: %s: %v", result.ID, result.Sentence, result.Offenders)
		}
	}
	if report.Counted.Orders < len(w.acked) || report.Counted.Messages == 0 {
		t.Errorf("only %+v were looked at", report.Counted)
	}
}

// count counts rows in a service's database.
func (w *world) count(t *testing.T, service, sql string, args ...any) int {
	t.Helper()
	return query[int](t, w.at.Databases[service], sql, args...)
}

// state is what a service's table says about an order; empty while it says nothing.
func (w *world) state(t *testing.T, service, table, id string) string {
	t.Helper()
	return query[string](t, w.at.Databases[service], "SELECT coalesce(max(state), '') FROM "+table+" WHERE order_id = $1", id)
}

func (w *world) awaitState(t *testing.T, service, table, id, want string) {
	t.Helper()
	eventually(t, service+" to have order "+id+" "+want, func() error {
		if got := w.state(t, service, table, id); got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// secret is a password that no description tells: system keeps them in its directory.
func (w *world) secret(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil || secrets[name] == "" {
		t.Fatalf("there is no secret %q: %v", name, err)
	}
	return secrets[name]
}

func query[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var value T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", strings.Join(strings.Fields(sql), " "), err)
	}
	return value
}

// limit is how long anything may take that is waited for: the broker gives back what a killed service held
// after 5 s, and the machine may be busy.
const limit = time.Minute

// eventually tries until it works.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	must(t, until(t.Context(), what, try))
}

func until(ctx context.Context, what string, try func() error) error {
	err := errors.New("never tried")
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting for %s: %w", what, err)
		}
	}
	return fmt.Errorf("waited %v for %s: %w", limit, what, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
