package shipping

import (
	"context"
	"embed"
	"io/fs"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
)

// Run is the shipping service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	app, err := service.Open(ctx, c, Migrations())
	if err != nil {
		return err
	}
	box, err := mailbox.New(mailbox.Config{
		Service:  events.Shipping,
		Pool:     app.Pool,
		NATS:     app.NATS,
		Handlers: handlers(),
		Faults:   app.Faults,
		Log:      app.Log,
		Metrics:  app.Metrics,
	})
	if err != nil {
		return err
	}
	return app.Serve(ctx, service.Parts{Mailbox: box, HTTP: routes(server{app.Pool}), Admin: adminapi.Desk{Pool: app.Pool, Transact: box.Do, Mailbox: box, Faults: app.Faults, Keeps: keeps}.Routes})
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
