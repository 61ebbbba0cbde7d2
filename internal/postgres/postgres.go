package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTime is how long a host may take until a connection is ready, unless the URL has a connect_timeout.
	connectTime = 3 * time.Second
	// silence is how long the server of a pool may send nothing to a client that waits. It is longer than a service's
	// statement_timeout, whose error a living server sends.
	silence = 7 * time.Second
	// pingTime is how long a connection that was idle may take to answer.
	pingTime = 2 * time.Second
	// hungTime is how long a server that has hung lately may be silent while connecting, where there is another host: that
	// one is not to wait each time.
	hungTime, hungLately = 500 * time.Millisecond, 15 * time.Second
	// closeTime is how long closing may take.
	closeTime = time.Second
)

// How long the server of a single connection may be silent, by what it is for.
const (
	Reading   = 35 * time.Second // longer than the statement_timeout of the audit login
	Migrating = 15 * time.Minute // may rewrite a table
)

// Config is for single connections, whose server may be silent for so long.
func Config(url string, silence time.Duration) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	bound(config, silence, func() {})
	return config, nil
}

// Connect opens a single connection.
func Connect(ctx context.Context, url string, silence time.Duration) (*pgx.Conn, error) {
	config, err := Config(url, silence)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if refusal, is := errors.AsType[Refusal](err); is {
		return nil, refusal
	}
	return conn, err
}

// NewPool opens a pool. When one of its connections finds the server useless, all of them are given up: those that are
// idle at once, the others when they are free. A copy of the pool's configuration makes pools that do the same.
func NewPool(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
	return newPool(ctx, config, silence)
}

func newPool(ctx context.Context, config *pgxpool.Config, silence time.Duration) (*pgxpool.Pool, error) {
	var opened atomic.Pointer[pgxpool.Pool]
	reset := func() {
		if pool := opened.Load(); pool != nil {
			pool.Reset()
		}
	}
	bound(config.ConnConfig, silence, reset)
	config.ConnConfig.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if useless[err.Code] && !conn.IsClosed() { // one that is not open yet is not in the pool
			reset()
			return false
		}
		return err.Severity != "FATAL"
	}
	config.ShouldPing = func(ctx context.Context, idle pgxpool.ShouldPingParams) bool {
		if idle.IdleDuration <= time.Second {
			return false
		}
		pinging, cancel := context.WithTimeout(ctx, pingTime)
		defer cancel()
		if idle.Conn.Ping(pinging) != nil && ctx.Err() == nil {
			reset()
		}
		return idle.Conn.IsClosed() // which the pool's own ping finds, too
	}
	config.BeforeClose = func(conn *pgx.Conn) { // a server that hangs does not take leave
		_ = conn.PgConn().Conn().SetDeadline(time.Now().Add(closeTime)) // fails on a closed one
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	opened.Store(pool)
	return pool, err
}

// useless are the errors of a server that will not do any work: it was a primary and is none, or it is ending. A ping
// finds nothing wrong with the former.
var useless = map[string]bool{
	readOnly: true,
	"57P01":  true, // admin_shutdown
	"57P02":  true, // crash_shutdown
	"57P03":  true, // cannot_connect_now
}

// bound limits how long a connection waits for its server: while connecting, and for each answer. silent is called when
// it has given up.
func bound(config *pgx.ConnConfig, patience time.Duration, silent func()) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	config.AfterConnect = func(_ context.Context, opened *pgconn.PgConn) error {
		below := opened.Conn()
		if encrypted, is := below.(*tls.Conn); is {
			below = encrypted.NetConn()
		}
		below.(*conn).connected()
		return newEnough(opened)
	}
	dial := config.DialFunc
	var hung *sync.Map
	if slices.ContainsFunc(config.Fallbacks, func(other *pgconn.FallbackConfig) bool {
		return other.Host != config.Host || other.Port != config.Port
	}) {
		hung = &sync.Map{}
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		opened, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: opened, patience: patience, silent: silent, hung: hung}, nil
	}
}
