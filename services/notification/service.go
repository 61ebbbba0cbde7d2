package notification

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"os"
	"strings"
	"time"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
)

// serverFromEnv reads the settings of the mail server. Each has a default that runs.
func serverFromEnv(getenv func(string) string) (s mailServer, err error) {
	s = mailServer{
		addr: cmp.Or(getenv("SMTP_ADDR"), "127.0.0.1:25"), from: cmp.Or(getenv("SMTP_FROM"), "orders@shop.example"),
		hello: cmp.Or(getenv("SMTP_HELLO"), "localhost"), user: getenv("SMTP_USER"), password: getenv("SMTP_PASSWORD"),
	}
	for _, setting := range []struct {
		key   string
		least time.Duration
		into  *time.Duration
	}{
		{"SMTP_COMMAND_TIMEOUT", 5 * time.Minute, &s.times.command},
		{"SMTP_DATA_TIMEOUT", 2 * time.Minute, &s.times.data},
		{"SMTP_END_TIMEOUT", 10 * time.Minute, &s.times.end},
	} {
		if *setting.into, err = httpserver.Duration(getenv, setting.key, setting.least); err != nil {
			return s, err
		}
	}
	if _, _, err := net.SplitHostPort(s.addr); err != nil {
		return s, fmt.Errorf("SMTP_ADDR must be a host and a port such as mail.example.com:587, not %q", s.addr)
	}
	if sender, err := mail.ParseAddress(s.from); err != nil || sender.Address != s.from {
		return s, fmt.Errorf("SMTP_FROM must be an address such as orders@shop.example, not %q", s.from)
	}
	if strings.ContainsFunc(s.hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return s, fmt.Errorf("SMTP_HELLO must be a host's name such as shop.example, not %q", s.hello)
	}
	switch offered := cmp.Or(getenv("SMTP_TLS"), "offered"); offered {
	case "offered":
	case "implicit":
		s.implicitTLS = true
	default:
		return s, fmt.Errorf("SMTP_TLS must be offered or implicit, not %q", offered)
	}
	return s, nil
}

// Run is the notification service: it opens what it needs, and serves until ctx ends.
func Run(ctx context.Context, c service.Config) error {
	mails, err := serverFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	return run(ctx, c, mails)
}

func run(ctx context.Context, c service.Config, mails mailServer) error {
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
		Loops: newSending(app.Pool, mails, app.Faults, app.Log, app.Metrics).loops(),
	})
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are notification's table, and what the database promises about it.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder is always there
	}
	return files
}
