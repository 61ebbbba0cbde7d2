package testkit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

func brokerOnMachine(ctx context.Context, t testing.TB) (*NATS, error) {
	t.Helper()
	server, err := localservers.StartNATS(ctx, localservers.NATSConfig{
		Dir: t.TempDir(), Config: natsadmin.ServerConfig(natsadmin.ServerOptions{}), Env: environ(),
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(server.Kill)
	return &NATS{func(user string) string { return server.URL(user, password(user)) }, server}, nil
}

func brokerInDocker(ctx context.Context, t testing.TB) (*NATS, error) {
	t.Helper()
	if err := dockerAnswers(ctx); err != nil {
		return nil, err
	}
	passwords := map[string]string{}
	for _, user := range natsadmin.Logins() {
		passwords[natsadmin.PasswordVariable(user)] = password(user)
	}
	container, err := testcontainers.Run(ctx, "nats:2.15-alpine",
		testcontainers.WithExposedPorts("4222/tcp"),
		testcontainers.WithEnv(passwords),
		testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(natsadmin.ServerConfig(natsadmin.ServerOptions{Host: "0.0.0.0",
				StoreDir: "/tmp/jetstream"})),
			ContainerFilePath: "/etc/nats/test.conf", FileMode: 0o644,
		}),
		testcontainers.WithCmd("-c", "/etc/nats/test.conf"),
		testcontainers.WithLogger(log.NewNoopLogger()),
		testcontainers.WithWaitStrategy(wait.ForLog("Server is ready").WithPollInterval(10*time.Millisecond)))
	testcontainers.CleanupContainer(t, container)
	if err != nil {
		return nil, err
	}
	address, err := mapped(ctx, container, "4222/tcp")
	if err != nil {
		return nil, err
	}
	return &NATS{url: func(user string) string { return fmt.Sprintf("nats://%s:%s@%s", user, password(user), address) }},
		nil
}

// brokerFromEnv takes the one broker that is named, for one test at a time, and empties it.
func brokerFromEnv(ctx context.Context, t testing.TB) (*NATS, error) {
	t.Helper()
	base := os.Getenv("TEST_NATS_URL")
	if base == "" {
		return nil, notOffered{"TEST_NATS_URL is not set"}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, errors.New("TEST_NATS_URL is not of the form nats://user:password@host:port")
	}
	unlock, err := lock(ctx, u.Host)
	if err != nil {
		return nil, fmt.Errorf("wait for the broker of TEST_NATS_URL: %w", err)
	}
	t.Cleanup(unlock)
	n := &NATS{url: func(string) string { return base }}
	if err := n.empty(ctx); err != nil {
		return nil, fmt.Errorf("TEST_NATS_URL: %w", err)
	}
	return n, nil
}

// empty removes what another test has left.
func (n *NATS) empty(ctx context.Context) error {
	conn, err := n.dial(natsadmin.Provisioner)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if err := js.DeleteStream(ctx, events.Stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("empty the broker: %w", err)
	}
	return nil
}

// lock lets one test at a time have what the name stands for, over all test processes of the machine. The
// lock ends with the process, however that ends.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("ordersaga-testkit-%x.lock", sha256.Sum256([]byte(name))))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // which unlocks it
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		}
	}
}
