package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// host stands before a server. From freeze on it is one that hangs: it accepts what is sent, and sends nothing.
type host struct {
	address string
	alter   func([]byte) []byte // what the server sends
	frozen  context.Context
	freeze  context.CancelFunc
}

func newHost(t *testing.T, server string) host {
	t.Helper()
	return newHostThat(t, bytes.Clone, server)
}

func newHostThat(t *testing.T, alter func([]byte) []byte, server string) host {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	h := host{address: listener.Addr().String(), alter: alter}
	h.frozen, h.freeze = context.WithCancel(t.Context())
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go h.serve(client, server)
		}
	}()
	return h
}

func (h host) serve(client net.Conn, server string) {
	defer client.Close()
	backend, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer backend.Close()
	go func() {
		h.pass(backend, client, bytes.Clone)
		_ = backend.Close()
	}()
	h.pass(client, backend, h.alter)
}

// pass copies what comes, and drops it when the host is frozen.
func (h host) pass(to io.Writer, from io.Reader, alter func([]byte) []byte) {
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if h.frozen.Err() != nil {
			continue
		}
		if _, err := to.Write(alter(buffer[:n])); err != nil {
			return
		}
	}
}

// through is the URL of a database by way of other hosts.
func through(t *testing.T, database string, hosts ...string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = strings.Join(hosts, ",")
	return u.String()
}

func pool(t *testing.T, url string, silence time.Duration) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	p, err := postgres.NewImpatientPool(t.Context(), config, silence)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// idle has the pool hold so many connections that nobody uses.
func idle(t *testing.T, p *pgxpool.Pool, n int) {
	t.Helper()
	var held []*pgxpool.Conn
	for range n {
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
}

func server(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// No context here has a deadline.
func TestPool_LeavesAHostThatHangs(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	first := newHost(t, server(t, db.URL))
	p := pool(t, through(t, db.URL, first.address, server(t, db.URL))+"&connect_timeout=5", 4*time.Second)
	idle(t, p, 3)

	busy, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first.freeze()
	answer := make(chan error, 1)
	go func() {
		defer busy.Release()
		_, err := busy.Exec(t.Context(), `SELECT 1`)
		answer <- err
	}()
	select {
	case err := <-answer:
		if err == nil || !strings.Contains(err.Error(), "silent for 4s") {
			t.Errorf("the statement that was under way: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the statement still waits for its answer")
	}
	testkit.Eventually(t, 10*time.Second, "nothing of the host is kept", func() bool { return p.Stat().TotalConns() == 0 })
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("the second host: %v", err)
	}
	began := time.Now()
	idle(t, p, 4)
	if took := time.Since(began); took > 8*time.Second { // 12 s without
		t.Errorf("three more connections took %v, want half a second of the hanging host for each", took)
	}
}

// One connection finds out, at the cost of one ping; the others are not asked.
func TestPool_FindsAHangingHostByOnePing(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	first := newHost(t, server(t, db.URL))
	p := pool(t, through(t, db.URL, first.address, server(t, db.URL))+"&connect_timeout=1", time.Minute)
	idle(t, p, 4)
	first.freeze()
	<-time.After(1100 * time.Millisecond) // idle for so long that they are pinged: pgx's own limit is a second
	began := time.Now()
	if err := p.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 7*time.Second { // 9 s without
		t.Errorf("it took %v to leave: one ping of 2 s, and 1 s for the first host's connection", took)
	}
}

// What a context's end leaves behind is finished by the server. A cancel request would undo it, or end a commit's wait
// for a standby.
func TestPool_CancelsNothingAtTheServer(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	if _, err := db.Pool.Exec(t.Context(), `SELECT FROM inbox`); err != nil {
		t.Fatal(err)
	}
	p := pool(t, db.OwnerURL, time.Minute)
	if _, err := p.Exec(t.Context(), `CREATE TABLE done (n int)`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Exec(ctx, `INSERT INTO done VALUES (1); SELECT pg_sleep(1)`); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the statement did not end with its context: %v", err)
	}
	testkit.Eventually(t, 10*time.Second, "the server has finished it", func() bool {
		var n int
		return p.QueryRow(t.Context(), `SELECT count(*) FROM done`).Scan(&n) == nil && n == 1
	})
}

func TestPool_DropsAServerThatDoesNoWork(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	for code, statements := range map[string][]string{
		"25006": {`SET default_transaction_read_only = on`, `DELETE FROM inbox`},
		"57P01": {`SELECT pg_terminate_backend(pg_backend_pid())`},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			p := pool(t, db.URL, time.Minute)
			idle(t, p, 3)
			err := p.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
				for _, statement := range statements {
					if _, err := conn.Exec(t.Context(), statement); err != nil {
						return err
					}
				}
				return nil
			})
			if refused, is := errors.AsType[*pgconn.PgError](err); !is || refused.Code != code {
				t.Fatalf("got %v, want %s", err, code)
			}
			testkit.Eventually(t, 10*time.Second, "no connection is kept", func() bool { return p.Stat().TotalConns() == 0 })
			if _, err := p.Exec(t.Context(), `DELETE FROM inbox`); err != nil {
				t.Errorf("a new connection: %v", err)
			}
		})
	}
}

// An error of a statement says nothing about the server.
func TestPool_KeepsAServerThatRefusesAStatement(t *testing.T) {
	t.Parallel()
	p := pool(t, testkit.Database(t, events.Shipping).URL, time.Minute)
	idle(t, p, 3)
	if _, err := p.Exec(t.Context(), `SELECT 1/0`); err == nil {
		t.Fatal("it can be done")
	}
	if n := p.Stat().TotalConns(); n != 3 {
		t.Errorf("%d connections are left of 3", n)
	}
}

func TestConfig_ConnectTimeout(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]time.Duration{
		"postgres://a@one,two/a?target_session_attrs=read-write": 3 * time.Second,
		"postgres://a@one/a?connect_timeout=9":                   9 * time.Second,
	} {
		config, err := postgres.Config(url, time.Second)
		if err != nil || config.ConnectTimeout != want {
			t.Errorf("%s: %v (%v), want %v", url, config.ConnectTimeout, err, want)
		}
	}
}

func TestConnect_RefusesAnOldServer(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	old := newHostThat(t, func(sent []byte) []byte {
		return regexp.MustCompile(`server_version\x00\d\d`).ReplaceAll(sent, []byte("server_version\x0014"))
	}, server(t, db.URL))
	_, err := postgres.Connect(t.Context(), through(t, db.URL, old.address), postgres.Reading)
	if err == nil || !regexp.MustCompile(`^the database server is PostgreSQL 14\S* .*, and 15 or newer is needed$`).MatchString(err.Error()) {
		t.Errorf("a single connection: %v", err)
	}
	err = pool(t, through(t, db.URL, old.address), time.Minute).Ping(t.Context())
	if _, is := errors.AsType[postgres.Refusal](err); !is {
		t.Errorf("a pool: %v", err)
	}
}
