package inventory

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"time"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/loop"
)

// Run is the inventory service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	// By then the order's own deadline and the cancel that follows from it have brought most orders to an end.
	patience, err := asking.FromEnv(os.Getenv, "HOLD_BUDGET", 20*time.Minute)
	if err != nil {
		return err
	}
	return run(ctx, c, patience)
}

func run(ctx context.Context, c service.Config, patience asking.Patience) error {
	app, err := service.Open(ctx, c, Migrations(), service.Migrations{Table: idempotency.Table,
		Files: idempotency.Migrations()})
	if err != nil {
		return err
	}
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers(), Prepare: lockBatch})
	if err != nil {
		return err
	}
	app.Age("inventory_unattended_seconds", "Age of the oldest reservation that holds stock and has no open incident.",
		oldestUnattended)
	once := idempotency.Once{Do: box.Tx, Failpoint: app.Faults.Hook()}
	api := server{app.Pool, once}
	admin := adminapi.API{
		Pool: app.Pool, Transact: box.Tx, Outbox: box, Guard: app.Guard, Faults: app.Faults, Tables: orderRows, Waits: waits,
	}
	return app.Serve(ctx, service.Parts{
		Outbox: box,
		HTTP:   routes(api),
		Admin:  admin.Routes,
		Loops: []func(context.Context) error{
			grpcserver.Server{Addr: app.GRPCAddr, Log: app.Log, Ready: box.Ready, Register: register(api)}.Run,
			loop.New("ask again", app.Log, time.Second, nil, box.OnOneReplica(sweeper{box.Tx, patience}.runOnce)),
			loop.New("reap idempotency keys", app.Log, time.Minute, nil, idempotency.Reaper(app.Pool, app.Faults.Hook())),
		},
		Restore: restore,
	})
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the inventory's tables, and what the database promises about them.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	return files
}
