package order

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
	"example.com/ordersaga/internal/asking"
	batcher "example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/services/order/sagaview"
)

// Settings are those that only this service has.
type Settings struct {
	Deadline    time.Duration      // ORDER_DEADLINE: how long an order may be pending
	Patience    asking.Patience    // CANCEL_BUDGET: how long a cancel may take before an incident is opened
	OutboxLimit int                // OUTBOX_LIMIT: how many events may be unpublished before orders are refused
	Services    sagaview.Addresses // INVENTORY_URL, PAYMENT_URL, SHIPPING_URL: asked about an order that waits
	Version     eventVersion       // ORDER_CREATED_VERSION: the version of OrderCreated that is published, 1 or 2
}

// defaultOutboxLimit is what the relay publishes in a minute or so once the broker is back, and some 100 MB.
const defaultOutboxLimit = 100_000

// SettingsFromEnv reads the settings. Each has a default that runs.
func SettingsFromEnv(getenv func(string) string) (s Settings, err error) {
	if s.Deadline, err = httpserver.Duration(getenv, "ORDER_DEADLINE", 15*time.Minute); err != nil {
		return s, err
	}
	// Payment alone may take its own budget and the gateway's horizon until it knows, and opens an incident itself.
	if s.Patience, err = asking.FromEnv(getenv, "CANCEL_BUDGET", 2*time.Minute); err != nil {
		return s, err
	}
	if s.Services, err = sagaview.AddressesFromEnv(getenv); err != nil {
		return s, err
	}
	limit := cmp.Or(getenv("OUTBOX_LIMIT"), strconv.Itoa(defaultOutboxLimit))
	if s.OutboxLimit, err = strconv.Atoi(limit); err != nil || s.OutboxLimit < 1 {
		return s, fmt.Errorf("OUTBOX_LIMIT must be a positive number, not %q", limit)
	}
	switch version := cmp.Or(getenv("ORDER_CREATED_VERSION"), "1"); version {
	case "1":
		s.Version = 1
	case "2":
		s.Version = 2
	default:
		return s, fmt.Errorf("ORDER_CREATED_VERSION must be 1 or 2, not %q", version)
	}
	return s, nil
}

// Run is the order service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	settings, err := SettingsFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	return run(ctx, c, settings)
}

func run(ctx context.Context, c service.Config, s Settings) error {
	keys := service.Migrations{Table: idempotency.Table, Files: idempotency.Migrations()}
	app, err := service.Open(ctx, c, Migrations(), keys)
	if err != nil {
		return err
	}
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers(), Prepare: lockBatch})
	if err != nil {
		return err
	}
	app.Age("order_unattended_seconds", "Age of the oldest order that has not ended and has no open incident.",
		oldestUnattended)
	in := intake{
		tx: box.Tx, faults: app.Faults, deadline: s.Deadline, version: s.Version,
	}
	api := server{
		db: app.Pool, tx: box.Tx, place: batcher.New(maxBatch, in.commit).Do, backlog: box.Backlog, limit: s.OutboxLimit,
		faults: app.Faults, clients: sagaview.NewClients(s.Services, sagaview.Timeout),
	}
	calls := grpcserver.Server{
		Addr: app.GRPCAddr, Log: app.Log, Ready: box.Ready, ToProblem: toProblem, Register: register(api),
	}
	sweep := sweeper{box.Tx, app.Faults, s.Patience}
	loops := []func(context.Context) error{
		loop.New("cancel overdue orders", app.Log, time.Second, nil, box.OnOneReplica(sweep.runOnce)),
		loop.New("reap idempotency keys", app.Log, time.Minute, nil, idempotency.Reaper(app.Pool, app.Faults.Hook())),
		loop.New("publish for old mails", app.Log, time.Second, nil, box.OnOneReplica(oldMails{box.Tx, s.Version}.runOnce)),
		calls.Run,
	}
	admin := adminapi.API{
		Pool: app.Pool, Transact: box.Tx, Outbox: box, Guard: app.Guard, Faults: app.Faults, Tables: orderRows, Waits: waits,
	}
	return app.Serve(ctx, service.Parts{Outbox: box, HTTP: routes(api), Admin: admin.Routes, Loops: loops,
		Restore: restore(s.Deadline)})
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the order service's tables, and what the database promises about them.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	return files
}
