package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"

	"example.com/ordersaga/internal/localservers"
)

// cluster is the PostgreSQL server of this test process.
type cluster struct {
	adminURL  string
	passwords localservers.Passwords
	stop      func(context.Context) error
}

func startCluster(ctx context.Context) (*cluster, error) {
	c, err := first(ctx, "PostgreSQL",
		source[*cluster]{"env", clusterFromEnv},
		source[*cluster]{"docker", clusterInDocker},
		source[*cluster]{"local", clusterOnMachine})
	if err != nil {
		return nil, err
	}
	c.passwords = passwordsOf(c.adminURL)
	return c, nil
}

// passwordsOf derives the logins' passwords from the superuser's, so that several test processes that
// share a server, and with it the logins, agree on them without talking to each other.
func passwordsOf(adminURL string) localservers.Passwords {
	derive := func(login string) string {
		sum := sha256.Sum256([]byte(login + " " + adminURL))
		return hex.EncodeToString(sum[:16])
	}
	return localservers.Passwords{Service: derive("service"), Owner: derive("owner"), Audit: derive("audit")}
}

func clusterFromEnv(ctx context.Context) (*cluster, error) {
	u := os.Getenv("TEST_DATABASE_URL")
	if u == "" {
		return nil, notOffered{"TEST_DATABASE_URL is not set"}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	var super bool
	err = conn.QueryRow(ctx, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&super)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	if !super {
		return nil, errors.New("TEST_DATABASE_URL: the login has to be a superuser, since tests make databases and logins")
	}
	return &cluster{adminURL: u, stop: func(context.Context) error { return nil }}, nil
}

func clusterOnMachine(ctx context.Context) (*cluster, error) {
	localservers.IgnoreLibpqVariables()
	sweep()
	root, err := localservers.DataRoot(dataPrefix() + strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, err
	}
	server, err := localservers.StartPostgres(ctx, localservers.PostgresConfig{Dir: filepath.Join(root, "postgres"),
		NoFsync: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	return &cluster{adminURL: server.URL(), stop: func(context.Context) error {
		server.Kill() // nothing in it is needed any more
		return os.RemoveAll(root)
	}}, nil
}

func dataPrefix() string { return filepath.Join(os.TempDir(), "ordersaga-test-") }

// sweep removes the data of test processes that were killed before they could do it themselves.
func sweep() {
	left, _ := filepath.Glob(dataPrefix() + "*") // the only error is a malformed pattern
	for _, dir := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(dir, dataPrefix()))
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // another process may be doing the same
		}
	}
}

func clusterInDocker(ctx context.Context) (*cluster, error) {
	if err := dockerAnswers(ctx); err != nil {
		return nil, err
	}
	localservers.IgnoreLibpqVariables()
	const data = "/var/lib/postgresql/data"
	container, err := testcontainers.Run(ctx, "postgres:17",
		testcontainers.WithExposedPorts("5432/tcp"),
		testcontainers.WithEnv(map[string]string{"POSTGRES_PASSWORD": "postgres", "PGDATA": data + "/pg"}),
		testcontainers.WithTmpfs(map[string]string{data: "rw"}),
		testcontainers.WithCmd("postgres", "-c", "fsync=off", "-c", "full_page_writes=off",
			"-c", "max_connections=200"),
		testcontainers.WithLogger(log.NewNoopLogger()),
		// The image starts the server twice, and only the second one stays.
		testcontainers.WithWaitStrategy(wait.ForAll(
			wait.ForLog("database system is ready to accept connections").WithOccurrence(2),
			wait.ForListeningPort("5432/tcp").SkipInternalCheck()).WithDeadline(time.Minute)))
	stop := func(context.Context) error { return testcontainers.TerminateContainer(container) }
	if err != nil {
		return nil, errors.Join(err, stop(ctx))
	}
	address, err := mapped(ctx, container, "5432/tcp")
	if err != nil {
		return nil, errors.Join(err, stop(ctx))
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", "postgres"), Host: address, Path: "/postgres",
		RawQuery: "sslmode=disable"}
	return &cluster{adminURL: u.String(), stop: stop}, nil
}

// mapped is where a container's port is reached from here.
func mapped(ctx context.Context, c testcontainers.Container, port string) (string, error) {
	host, err := c.Host(ctx)
	if err != nil {
		return "", err
	}
	outside, err := c.MappedPort(ctx, port)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, outside.Port()), nil
}
