package localservers

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresConfig says how to run a PostgreSQL server. Dir is required.
type PostgresConfig struct {
	Dir      string            // holds the data and the log; a cluster is made where there is none
	Port     int               // on 127.0.0.1; 0: a free one
	Password string            // of the superuser postgres; a random one when empty and the cluster is new
	NoFsync  bool              // for tests: a power loss may take everything
	Settings map[string]string // on top of, or instead of, ours
	// Replicates lets other servers follow this one.
	Replicates bool
	// Follows makes this the standby of a server that replicates, until [Postgres.Promote].
	Follows *Postgres
}

// Postgres is a PostgreSQL server that runs as our child process.
type Postgres struct {
	*Process // of the last start
	config   PostgresConfig
	binaries string
	user     *User
}

// StartPostgres makes a cluster in the directory if there is none, starts the server, and returns when
// it accepts connections. Errors are one line that says what to do.
func StartPostgres(ctx context.Context, c PostgresConfig) (*Postgres, error) {
	binaries, err := PostgresBinaries()
	if err != nil {
		return nil, err
	}
	u, err := Unprivileged()
	if err != nil {
		return nil, err
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, err
	}
	p := &Postgres{config: c, binaries: binaries, user: u}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p, onFreePort(&p.config.Port, func() error { return p.Start(ctx) })
}

// Start starts the server again, on the same port, after [Postgres.Stop] or [Postgres.Kill].
func (p *Postgres) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	command := Command{
		Path: filepath.Join(p.binaries, "postgres"), Args: append([]string{"-D", p.data()}, p.settings()...),
		Dir: p.config.Dir, User: p.user,
		Orphan: syscall.SIGQUIT, // it ends at once and removes its shared memory; the next start recovers every commit
	}
	for {
		process, output, err := launch(ctx, command, filepath.Join(p.config.Dir, "postgres.log"), p.accepts)
		if err == nil {
			p.Process = process
			return nil
		}
		// After a kill the last backends may still be dying; the next server refuses to run beside them.
		if bytes.Contains(output, []byte("pre-existing shared memory")) && pause(ctx, 100*time.Millisecond) == nil {
			continue
		}
		return fmt.Errorf("start PostgreSQL on port %d: %w", p.config.Port, complaint(output, err))
	}
}

func (p *Postgres) accepts(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// URL is the superuser's connection to the database postgres.
func (p *Postgres) URL() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", p.config.Password),
		Host: "127.0.0.1:" + strconv.Itoa(p.config.Port), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// Checkpoint writes to disk what the server holds in memory, so that its recovery after a kill begins here.
func (p *Postgres) Checkpoint(ctx context.Context) error {
	return execute(ctx, p.URL(), "CHECKPOINT")
}

// Stop ends the server cleanly, without waiting for its clients ("fast" shutdown).
func (p *Postgres) Stop(ctx context.Context) error {
	return p.stop(ctx, syscall.SIGINT, 20*time.Second)
}

// Kill ends the server by SIGKILL. Its next start recovers what was committed.
func (p *Postgres) Kill() { p.Process.Kill() }

func (p *Postgres) data() string { return filepath.Join(p.config.Dir, "data") }
