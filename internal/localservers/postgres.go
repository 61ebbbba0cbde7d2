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
}

// Postgres is a PostgreSQL server that runs as our child process.
type Postgres struct {
	config   PostgresConfig
	binaries string
	user     *User
	process  *Process
}

// startLimit bounds how long a server may take to accept connections; recovery after a kill is part of it.
const startLimit = 60 * time.Second

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
	if c.Port != 0 {
		return p, p.Start(ctx)
	}
	return p, onFreePort(&p.config.Port, func() error { return p.Start(ctx) })
}

// Start starts the server again, on the same port, after [Postgres.Stop] or [Postgres.Kill].
func (p *Postgres) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		said, err := p.start(ctx)
		if err == nil {
			return nil
		}
		// After a kill the last backends may still be dying; the next server refuses to run beside them.
		if bytes.Contains(said, []byte("pre-existing shared memory")) && pause(ctx, 100*time.Millisecond) == nil {
			continue
		}
		return fmt.Errorf("start PostgreSQL on port %d: %w", p.config.Port, complaint(said, err))
	}
}

// start starts the process and waits until it is ready. When it does not get there, what it wrote is returned.
func (p *Postgres) start(ctx context.Context) ([]byte, error) {
	log, err := openLog(filepath.Join(p.config.Dir, "postgres.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	// An orphan ends at once and removes its shared memory; what was committed is recovered at its next start.
	p.process, err = Start(Command{
		Path: filepath.Join(p.binaries, "postgres"), Args: append([]string{"-D", p.data()}, p.settings()...),
		Dir: p.config.Dir, Log: log.File, User: p.user, Orphan: syscall.SIGQUIT,
	})
	if err != nil {
		return nil, err
	}
	if err := p.process.until(ctx, p.accepts); err != nil {
		p.process.Kill()
		return log.said(), err
	}
	return nil, nil
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

// PID is the process id of the server.
func (p *Postgres) PID() int { return p.process.PID() }

// Done is closed when the server has ended.
func (p *Postgres) Done() <-chan struct{} { return p.process.Done() }

// Stop ends the server cleanly, without waiting for its clients ("fast" shutdown).
func (p *Postgres) Stop(ctx context.Context) error {
	return p.process.stop(ctx, syscall.SIGINT, 20*time.Second)
}

// Kill ends the server by SIGKILL. Its next start recovers what was committed.
func (p *Postgres) Kill() { p.process.Kill() }

func (p *Postgres) data() string { return filepath.Join(p.config.Dir, "data") }
