package payment

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/services/payment/charge"
	"example.com/ordersaga/services/payment/direct"
	"example.com/ordersaga/services/payment/reconcile"
	"example.com/ordersaga/services/payment/repair"
)

// Settings are what payment reads from the environment beyond what every service does.
type Settings struct {
	charge.Settings
	ReconcileEvery time.Duration // RECONCILE_EVERY: how often the ledgers are compared
	// ReconcileGrace is how long a movement may stand in one ledger alone before an incident is opened: a crash
	// between the gateway's answer and our commit heals within a lease and an attempt (RECONCILE_GRACE).
	ReconcileGrace time.Duration
}

// SettingsFromEnv reads the settings; every one has a default that runs.
func SettingsFromEnv(getenv func(string) string) (s Settings, err error) {
	s.GatewayURL = cmp.Or(getenv("GATEWAY_URL"), "http://127.0.0.1:8090")
	s.Concurrency = 64 // two cores are busy long before 64 calls
	if n := getenv("GATEWAY_CONCURRENCY"); n != "" {
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
	app.Age("payment_unattended_seconds",
		"For how long the oldest payment of an order has been neither decided nor returned, without an open incident.",
		oldestUnattended)
	wake := charge.NewWake()
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers(), Prepare: lockBatch, OnCommit: wake.Signal})
	if err != nil {
		return err
	}
	gateway := charge.NewGateway(s.Settings, app.Faults)
	defer gateway.Close()
	workers := charge.NewWorkers(app, s.Settings, box.Tx, gateway, wake)
	reconciler := reconcile.New(app, s.ReconcileGrace, box.Tx, gateway, wake)
	admin := adminapi.API{
		Pool: app.Pool, Transact: box.Tx, Outbox: box, Guard: app.Guard, Faults: app.Faults, Tables: keeps,
	}
	return app.Serve(ctx, service.Parts{
		Outbox: box,
		HTTP:   routes(server{direct.New(app.Pool, workers, app.Faults), app.Pool}),
		Admin:  repair.New(app, admin, gateway, s.Horizon, wake).Routes,
		Loops: []func(context.Context) error{
			workers.Run,
			loop.New("reconcile", app.Log, s.ReconcileEvery, nil, reconciler.RunOnce),
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
