package payment

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/loop"
)

// Settings are what payment reads from the environment beyond what every service does.
type Settings struct {
	GatewayURL     string        // GATEWAY_URL: the ambassador's address
	GatewayTimeout time.Duration // GATEWAY_TIMEOUT: for one request
	Concurrency    int           // GATEWAY_CONCURRENCY: calls at the same time
	// Horizon is the gateway's promise: nothing is captured later than this after a request was received
	// (GATEWAY_HORIZON).
	Horizon        time.Duration
	ChargeBudget   time.Duration // CHARGE_BUDGET: how long a charge may be unknown before a person is told
	RefundBudget   time.Duration // REFUND_BUDGET: the same for a refund
	RetryFirst     time.Duration // RETRY_FIRST: the first pause before the gateway is asked again
	RetryLimit     time.Duration // RETRY_LIMIT: the longest
	Poll           time.Duration // POLL: how often work is looked for when nothing announces any
	ReconcileEvery time.Duration // RECONCILE_EVERY
	// ReconcileGrace is how long a movement may stand in one ledger alone before a person is told: a crash
	// between the gateway's answer and our commit heals within a lease and an attempt (RECONCILE_GRACE).
	ReconcileGrace time.Duration
}

// SettingsFromEnv reads the settings; every one has a default that runs.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	s := Settings{GatewayURL: "http://127.0.0.1:8090", Concurrency: 64} // two cores are busy long before 64 calls
	if url := getenv("GATEWAY_URL"); url != "" {
		s.GatewayURL = url
	}
	if n := getenv("GATEWAY_CONCURRENCY"); n != "" {
		var err error
		if s.Concurrency, err = strconv.Atoi(n); err != nil || s.Concurrency < 1 {
			return s, fmt.Errorf("GATEWAY_CONCURRENCY must be a positive number, not %q", n)
		}
	}
	for _, d := range []struct {
		key      string
		fallback time.Duration
		into     *time.Duration
	}{
		{"GATEWAY_TIMEOUT", 5 * time.Second, &s.GatewayTimeout},
		{"GATEWAY_HORIZON", 30 * time.Second, &s.Horizon},
		{"CHARGE_BUDGET", time.Minute, &s.ChargeBudget},
		{"REFUND_BUDGET", time.Minute, &s.RefundBudget},
		{"RETRY_FIRST", 200 * time.Millisecond, &s.RetryFirst},
		{"RETRY_LIMIT", 5 * time.Second, &s.RetryLimit},
		{"POLL", time.Second, &s.Poll},
		{"RECONCILE_EVERY", 5 * time.Second, &s.ReconcileEvery},
		{"RECONCILE_GRACE", time.Minute, &s.ReconcileGrace},
	} {
		var err error
		if *d.into, err = httpserver.Duration(getenv, d.key, d.fallback); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Run is the payment service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	s, err := SettingsFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	return run(ctx, c, s)
}

func run(ctx context.Context, c service.Config, s Settings) error {
	app, err := service.Open(ctx, c, Migrations(), service.Migrations{Table: idempotency.Table,
		Files: idempotency.Migrations()})
	if err != nil {
		return err
	}
	counts := newMetrics(app.Metrics)
	work := newWorkers(app, s, counts)
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers(), Prepare: lockBatch, OnCommit: work.poke})
	if err != nil {
		return err
	}
	work.do = box.Tx
	audit := &reconciler{
		Settings: s, pool: app.Pool, do: box.Tx, gateway: work.gateway, faults: app.Faults, log: app.Log, metrics: counts,
		poke: work.poke,
	}
	return app.Serve(ctx, service.Parts{
		Outbox: box,
		HTTP:   routes(server{app.Pool, newDirect(work)}),
		Admin:  newOperator(work, box).routes,
		Loops: []func(context.Context) error{
			work.loop,
			loop.New("reconcile", app.Log, s.ReconcileEvery, nil, audit.runOnce),
			loop.New("reap idempotency keys", app.Log, time.Minute, nil, idempotency.Reaper(app.Pool, app.Faults.Hook())),
		},
	})
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are payment's tables, and what the database promises about them.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	return files
}
