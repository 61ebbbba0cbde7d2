package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

// maxConns bounds a service's connections to its database: the inbox, the relay, the intake and the
// workers need one each, the rest is for reading over HTTP. Five services stay far below Postgres' 100.
const maxConns = 12

// App is what a service works with: everything is open, nothing runs but the listener's front.
type App struct {
	Config
	Pool    *pgxpool.Pool
	NATS    *nats.Conn
	Guard   *lostcommits.Guard // of the pool
	Faults  *failpoint.Set     // nil unless faults are enabled
	Log     *slog.Logger
	Metrics *prometheus.Registry

	front  *front
	server *httpserver.Server
}

// Open listens, waits for Postgres, migrates, and connects to NATS. It waits as long as ctx lasts: what
// is started first does not matter. The own migrations come after those of [Migrate] and the given sets.
func Open(ctx context.Context, c Config, migrations fs.FS, sets ...Migrations) (*App, error) {
	a := &App{Config: c, Log: newLogger(c), Metrics: httpserver.Metrics()}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	if err := a.open(ctx, append(sets, Migrations{Table: "goose_db_version", Files: migrations})); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *App) open(ctx context.Context, sets []Migrations) error {
	var err error
	if a.FaultsEnabled {
		if a.Faults, err = failpoint.FromEnv(string(a.Service), os.Getenv); err != nil {
			return err
		}
	}
	if err := a.openDatabase(ctx, sets); err != nil {
		return err
	}
	if a.NATS, err = natsadmin.Connect(a.NATSURL, string(a.Service), a.Log); err != nil {
		return err
	}
	return natsadmin.NewEnough(a.NATS) // a broker that comes later is a matter of being ready
}

func newLogger(c Config) *slog.Logger {
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})
	return slog.New(tracing.Logs(handler)).With("service", string(c.Service))
}

// answerTime bounds how long an answer may take: a service streams nothing.
const answerTime = 30 * time.Second

// listen opens the public listener and answers with the front: health now, the API once it is there.
func (a *App) listen(ctx context.Context) (err error) {
	a.front = newFront()
	if a.server, err = httpserver.ListenWithin(ctx, a.Addr, traced(a.Log, a.front), answerTime); err != nil {
		return err
	}
	a.Addr = a.server.Addr
	a.server.Start()
	return nil
}

// openDatabase waits until the database is there and migrated.
func (a *App) openDatabase(ctx context.Context, sets []Migrations) error {
	config, err := pgxpool.ParseConfig(a.DatabaseURL)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	config.MaxConns = maxConns
	// A statement, a lock or a forgotten transaction that lasts longer than this is an error to be
	// retried, not something to wait for.
	maps.Copy(config.ConnConfig.RuntimeParams, map[string]string{
		"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s",
		"application_name": string(a.Service),
	})
	PlanByKey(config.ConnConfig)
	if tracing.On() {
		config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	a.Guard = lostcommits.NewGuard(a.Service, a.Log)
	config.AfterConnect = a.Guard.Admit
	if a.Pooled {
		postgres.ThroughPooler(config)
	}
	if a.Pool, err = postgres.NewPool(ctx, config); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return a.patiently(ctx, "waiting for the database", func() error {
		if err := Migrate(ctx, a.MigrationsURL, sets...); postgres.IsPoolers(err) {
			return postgres.PooledMigrations
		} else if err != nil {
			return err
		}
		return a.pooledAsDeclared(ctx)
	})
}

// pooledAsDeclared connects, and refuses a pooler that is not declared, or that is none.
func (a *App) pooledAsDeclared(ctx context.Context) error {
	err := a.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		pooled, err := postgres.Pooled(ctx, conn.Conn())
		if err == nil && a.Pooled && !pooled {
			return postgres.UnsuitablePooler
		}
		return err
	})
	switch {
	case !postgres.IsPoolers(err):
		return err
	case a.Pooled:
		return postgres.UnsuitablePooler
	}
	return postgres.UndeclaredPooler
}

// patiently tries until it works or ctx ends, and shows in the front and the log what it waits for.
func (a *App) patiently(ctx context.Context, what string, try func() error) error {
	for failures := 1; ; failures++ {
		err := try()
		if err == nil {
			return nil
		}
		if refusal, is := errors.AsType[postgres.Refusal](err); is {
			return refusal
		}
		a.front.waitFor(fmt.Errorf("%s: %w", what, err))
		a.Log.WarnContext(ctx, "not ready yet", "what", what, "error", err)
		if !loop.Rest(ctx, loop.Backoff(failures), nil) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// NewOutbox makes the service's outbox of what the app has open; c needs the handlers, and may have hooks. A dead
// letter opens an incident where the saga waits for the service.
func (a *App) NewOutbox(c messaging.Config) (*messaging.Outbox, error) {
	c.Service, c.Pool, c.NATS, c.Faults, c.Log, c.Metrics = a.Service, a.Pool, a.NATS, a.Faults, a.Log, a.Metrics
	if slices.Contains(events.Services, a.Service) {
		c.OnDeadLetter = incident.OnDeadLetter(a.Service)
		a.gauge("incidents_open", "Incidents that are not resolved.",
			`SELECT count(*)::float8 FROM incident WHERE resolved_at IS NULL`)
	}
	a.Age("outbox_unpublished_seconds", "For how long the oldest event in the outbox has been waiting to be published.",
		oldestUnpublished)
	return messaging.New(c)
}

// Close closes what [Open] opened; [App.Serve] calls it.
func (a *App) Close() {
	if a.NATS != nil {
		natsadmin.Close(a.NATS)
	}
	if a.Pool != nil {
		a.Pool.Close()
	}
	httpserver.Close(a.server)
}
