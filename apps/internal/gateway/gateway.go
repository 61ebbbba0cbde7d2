// Package gateway is a card gateway, a third party as seen from the shop: it takes charges and refunds
// over its own API (api/openapi.yaml), remembers them in a ledger file of its own, and misbehaves on
// purpose when a test card or its admin listener demands it. It shares nothing with the services.
//
// What it promises stands in the contract. How it keeps it: an answer leaves only after its record is on
// the disk ([Run], ledger.go); the record holds the key, the request's fingerprint and the answer itself, so that a
// retry gets the same bytes after any crash; and two processes may serve one ledger (file.go). In memory is only where
// in the file each record is (book.go, index.go).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/httpserver"
)

// Config is what a gateway is told from outside.
type Config struct {
	Addr       string // HTTP_ADDR: the API
	AdminAddr  string // ADMIN_ADDR: faults; empty: none can be switched on
	AdminToken string // ADMIN_TOKEN: what the admin listener asks for
	LedgerFile string // LEDGER_FILE
	Times      Times  // IN_FLIGHT_HORIZON, SETTLE_DELAY, SLOW_DELAY
}

// FromEnv reads the configuration.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{
		Addr:       httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"),
		AdminAddr:  getenv("ADMIN_ADDR"),
		AdminToken: getenv("ADMIN_TOKEN"),
		LedgerFile: httpserver.Env(getenv, "LEDGER_FILE", "gateway.ledger"),
	}
	var problems [3]error
	c.Times.InFlightHorizon, problems[0] = httpserver.Duration(getenv, "IN_FLIGHT_HORIZON", 30*time.Second)
	c.Times.SettleDelay, problems[1] = httpserver.Duration(getenv, "SETTLE_DELAY", 3*time.Second)
	c.Times.SlowDelay, problems[2] = httpserver.Duration(getenv, "SLOW_DELAY", time.Second)
	if err := errors.Join(problems[:]...); err != nil {
		return c, err
	}
	if max(c.Times.SettleDelay, c.Times.SlowDelay) >= c.Times.InFlightHorizon {
		return c, fmt.Errorf("SETTLE_DELAY and SLOW_DELAY must be shorter than IN_FLIGHT_HORIZON, %v",
			c.Times.InFlightHorizon)
	}
	if c.AdminAddr != "" && c.AdminToken == "" {
		return c, errors.New("ADMIN_ADDR needs an ADMIN_TOKEN")
	}
	return c, nil
}

// Gateway is a gateway whose ledger is read and whose listeners are open.
type Gateway struct {
	Addr      string // where the API listens
	AdminAddr string // where faults are switched; empty when nowhere

	ledger     *ledger
	payments   *payments
	faults     atomic.Pointer[Faults]
	closing    chan struct{}
	log        *slog.Logger
	metrics    *prometheus.Registry
	operations *prometheus.CounterVec
	servers    []*httpserver.Server
}

// Open reads the ledger and listens.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{log: log, metrics: httpserver.Metrics(), closing: make(chan struct{})}
	g.operations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_operations_total", Help: "Charges and refunds by the status of their answer, before any damage to it.",
	}, []string{"operation", "status", "replayed"})
	g.metrics.MustRegister(g.operations)
	g.faults.Store(&Faults{})

	var err error
	if g.ledger, err = openLedger(c.LedgerFile, log, g.metrics); err != nil {
		return nil, err
	}
	g.payments = newPayments(g.ledger, c.Times, &g.faults, g.closing)
	if err := g.listen(ctx, c); err != nil {
		httpserver.Close(g.servers...)
		return nil, errors.Join(err, g.ledger.Close())
	}
	return g, nil
}

func (g *Gateway) listen(ctx context.Context, c Config) error {
	routes, err := g.routes()
	if err != nil {
		return err
	}
	public, err := httpserver.Listen(ctx, c.Addr, routes)
	if err != nil {
		return err
	}
	g.servers, g.Addr = append(g.servers, public), public.Addr
	if c.AdminAddr == "" {
		return nil
	}
	admin, err := httpserver.Listen(ctx, c.AdminAddr, httpserver.Authorized(c.AdminToken, g.adminRoutes()))
	if err != nil {
		return err
	}
	g.servers, g.AdminAddr = append(g.servers, admin), admin.Addr
	return nil
}

// Serve answers until ctx ends, then finishes what has begun: hanging answers are dropped, late captures
// that nobody was promised are left undone, everything else is answered.
func (g *Gateway) Serve(ctx context.Context) error {
	g.log.InfoContext(ctx, "serving", "addr", g.Addr, "admin_addr", g.AdminAddr)
	err := httpserver.Serve(ctx, g.servers, func(ctx context.Context) error {
		<-ctx.Done()
		close(g.closing)
		return nil
	})
	g.payments.settles.Wait()
	err = errors.Join(err, g.ledger.Close())
	g.log.InfoContext(ctx, "ended")
	return err
}

// Run is the whole process: environment, ledger, listeners, until ctx ends.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	c, err := FromEnv(getenv)
	if err != nil {
		return err
	}
	g, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	return g.Serve(ctx)
}
