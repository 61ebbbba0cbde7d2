// Package console is the system in the browser: pages that show what happens, explain a saga by stepping through it,
// place orders, break things and repair them.
//
// It holds no truth. What it shows it reads from the stream, with a login that can only read, and asks the
// services for over their own listeners; when it is killed nothing is lost, and a new one shows the same. The
// services' admin token stays in this process: a browser never sees it, and asks here.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/apps/internal/console/faults"
	"example.com/ordersaga/apps/internal/console/flow"
	"example.com/ordersaga/apps/internal/console/operate"
	"example.com/ordersaga/apps/internal/console/orders"
	"example.com/ordersaga/apps/internal/console/sagas"
	"example.com/ordersaga/apps/internal/console/simulator"
	"example.com/ordersaga/apps/internal/process"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
)

// Config is what a console is told from outside.
type Config struct {
	Addr   string                // HTTP_ADDR: where browsers ask
	System endpoints.Description // ORDERSAGA_…: where everything listens; see running.Find
}

// FromEnv reads the configuration.
func FromEnv(getenv func(string) string, environ []string) (Config, error) {
	system, err := endpoints.FromEnv(environ)
	if err != nil {
		return Config{}, err
	}
	c := Config{Addr: process.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), System: system}
	if c.System.NATS == "" {
		return Config{}, errors.New("ORDERSAGA_NATS must say where the broker is")
	}
	return c, nil
}

// Console is a console whose listener is open.
type Console struct {
	Addr string // where it takes requests

	system  endpoints.Description
	log     *slog.Logger
	metrics *prometheus.Registry
	flow    http.Handler
	stepper *simulator.Stepper
	board   *sagas.Board
	shop    *client.Client
	desk    *operate.Desk
	breaker *faults.Breaker
	placing *orders.Desk
	closing chan struct{} // closed when the process is told to end
	server  *process.Server
}

// Open listens. Nothing that it shows need be there yet.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Console, error) {
	console := &Console{system: c.System, log: log, metrics: process.Metrics(), closing: make(chan struct{})}
	var err error
	if console.flow, err = flow.Handler(); err != nil {
		return nil, err
	}
	if console.stepper, err = simulator.New(c.System, console.closing); err != nil {
		return nil, err
	}
	if console.shop, err = client.New(c.System); err != nil {
		return nil, err
	}
	console.board = sagas.NewBoard(c.System.NATS, log)
	console.desk = operate.New(c.System)
	console.breaker = faults.New(c.System, console.closing)
	console.placing = orders.New(console.shop, console.board, console.closing)
	routes, err := console.routes()
	if err != nil {
		return nil, fmt.Errorf("prepare the pages: %w", err)
	}
	if console.server, err = process.Listen(ctx, c.Addr, routes); err != nil {
		return nil, err
	}
	console.Addr = console.server.Addr
	return console, nil
}

// Serve shows what happens until ctx ends.
func (c *Console) Serve(ctx context.Context) error {
	c.log.InfoContext(ctx, "serving", "addr", c.Addr)
	err := process.Serve(ctx, []*process.Server{c.server}, c.close, c.board.Run, c.desk.Run, c.placing.Run)
	c.stepper.Close()
	c.log.InfoContext(ctx, "ended")
	return err
}

// close ends what would never end by itself, before the listener waits for it.
func (c *Console) close(ctx context.Context) error {
	<-ctx.Done()
	close(c.closing)
	return nil
}
