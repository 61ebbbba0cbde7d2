package shipping

import (
	"context"
	"embed"
	"io/fs"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
)

// Run is the shipping service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	app, err := service.Open(ctx, c, Migrations())
	if err != nil {
		return err
	}
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers()})
	if err != nil {
		return err
	}
	return app.Serve(ctx, service.Parts{
		Outbox: box,
		HTTP:   routes(server{app.Pool}),
		Admin: adminapi.API{
			Pool: app.Pool, Transact: box.Tx, Outbox: box, Guard: app.Guard, Faults: app.Faults, Tables: orderRows,
		}.Routes,
	})
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are shipping's tables, and what the database promises about them.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	return files
}
