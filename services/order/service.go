package order

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"example.com/ordersaga/internal/adminapi"
	batcher "example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/loop"
)

// Run is the order service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	own, err := fromEnv(os.Getenv)
	if err != nil {
		return err
	}
	app, err := service.Open(ctx, c, Migrations(), service.Migrations{Table: idempotency.Table,
		Files: idempotency.Migrations()})
	if err != nil {
		return err
	}
	box, err := app.NewOutbox(messaging.Config{Handlers: handlers(), Prepare: lockBatch})
	if err != nil {
		return err
	}
	orders := batcher.New(atOnce, intake{do: box.Tx, faults: app.Faults, patience: own.deadline, version: own.version,
		mails: own.post.addr != ""}.commit)
	api := server{
		db: app.Pool, do: box.Tx, place: orders.Do, backlog: box.Backlog, limit: own.outboxLimit, faults: app.Faults,
		others: newColleagues(own.others, askTime),
	}
	loops := []func(context.Context) error{
		loop.New("cancel overdue orders", app.Log, time.Second, nil, sweeper{box.Tx, app.Faults, own.cancelBudget}.runOnce),
		loop.New("reap idempotency keys", app.Log, time.Minute, nil, idempotency.Reaper(app.Pool, app.Faults.Hook())),
		grpcserver.Server{Addr: app.GRPCAddr, Log: app.Log, Ready: box.Ready, Told: told, Register: register(api)}.Run,
	}
	if own.post.addr != "" {
		mails := newMailing(app.Pool, own.post, app.Faults, app.Log, app.Metrics)
		loops = append(loops,
			loop.New("send mails", app.Log, time.Second, nil, mails.runOnce),
			loop.New("count mails", app.Log, 10*time.Second, nil, mails.count))
	}
	return app.Serve(ctx, service.Parts{Outbox: box, HTTP: routes(api),
		Admin: adminapi.Desk{Pool: app.Pool, Transact: box.Tx, Outbox: box, Faults: app.Faults, Keeps: keeps}.Routes,
		Loops: loops})
}

// settings are those that only this service has.
type settings struct {
	deadline     time.Duration // ORDER_DEADLINE: how long an order may be pending
	cancelBudget time.Duration // CANCEL_BUDGET: how long a cancel may take before a person is told
	outboxLimit  int           // OUTBOX_LIMIT: how many events may wait for the broker before orders are refused
	others       addresses     // INVENTORY_URL, PAYMENT_URL, SHIPPING_URL: who is asked about an order that waits
	post         post          // SMTP_ADDR, SMTP_FROM, SMTP_USER, SMTP_PASSWORD: who takes mails to customers
	version      version       // ORDER_CREATED_VERSION: in which form new orders are announced
}

// outboxLimit is what the relay publishes in a minute or so once the broker is back, and some 100 MB.
const outboxLimit = 100_000

func fromEnv(getenv func(string) string) (s settings, err error) {
	if s.deadline, err = httpserver.Duration(getenv, "ORDER_DEADLINE", 15*time.Minute); err != nil {
		return s, err
	}
	// Payment alone may take its own budget and the gateway's horizon until it knows, and tells a person itself.
	if s.cancelBudget, err = httpserver.Duration(getenv, "CANCEL_BUDGET", 2*time.Minute); err != nil {
		return s, err
	}
	if s.others, err = addressesFrom(getenv); err != nil {
		return s, err
	}
	if s.post, err = postFrom(getenv); err != nil {
		return s, err
	}
	s.outboxLimit = outboxLimit
	if value := getenv("OUTBOX_LIMIT"); value != "" {
		if s.outboxLimit, err = strconv.Atoi(value); err != nil || s.outboxLimit < 1 {
			return s, fmt.Errorf("OUTBOX_LIMIT must be a positive number, not %q", value)
		}
	}
	switch value := getenv("ORDER_CREATED_VERSION"); value {
	case "", "1":
		s.version = 1
	case "2":
		s.version = 2
	default:
		return s, fmt.Errorf("ORDER_CREATED_VERSION must be 1 or 2, not %q", value)
	}
	return s, nil
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
