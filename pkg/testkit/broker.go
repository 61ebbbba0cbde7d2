package testkit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// NATS is a broker of a test's own, configured as in production: stream and consumers are there, and every
// login may do what its process needs and nothing else.
type NATS struct {
	url    func(user string) string
	server *localservers.NATS // only of an [OwnBroker]
}

// Broker gives a test a broker that nobody else uses. It ends with the test.
func Broker(t testing.TB) *NATS {
	t.Helper()
	process.mustHaveMain(t)
	return start(t,
		source[*NATS]{"env", func(ctx context.Context) (*NATS, error) { return brokerFromEnv(ctx, t) }},
		source[*NATS]{"docker", func(ctx context.Context) (*NATS, error) { return brokerInDocker(ctx, t) }},
		source[*NATS]{"local", func(ctx context.Context) (*NATS, error) { return brokerOnMachine(ctx, t) }})
}

// OwnBroker is a broker that the test may also kill, stop, start again and wipe: always a process on this
// machine, whatever TESTKIT says.
func OwnBroker(t testing.TB) *NATS {
	t.Helper()
	process.mustHaveMain(t)
	return start(t, source[*NATS]{os.Getenv("TESTKIT"), func(ctx context.Context) (*NATS,
		error) {
		return brokerOnMachine(ctx, t)
	}})
}

func start(t testing.TB, sources ...source[*NATS]) *NATS {
	t.Helper()
	n, err := first(t.Context(), "NATS server", sources...)
	if err != nil {
		t.Fatal(err)
	}
	n.Provision(t)
	return n
}

// password need not be a secret: the broker listens on this machine only, and not for long.
func password(user string) string { return "test-" + user }

func environ() []string {
	var env []string
	for _, user := range natsadmin.Logins() {
		env = append(env, natsadmin.PasswordVariable(user)+"="+password(user))
	}
	return env
}

// URL is the broker's address with a login: a service's name, [natsadmin.Provisioner] or [natsadmin.Observer].
func (n *NATS) URL(user string) string { return n.url(user) }

// Connect connects as a service does. The connection survives restarts of the broker, and ends with the
// test.
func (n *NATS) Connect(t testing.TB, service events.Service) *nats.Conn {
	t.Helper()
	return n.ConnectAs(t, string(service))
}

// ConnectAs is [NATS.Connect] for any login.
func (n *NATS) ConnectAs(t testing.TB, user string) *nats.Conn {
	t.Helper()
	conn, err := n.dial(user, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if t.Context().Err() == nil { // a test that has ended must not log
			t.Logf("the broker tells %s: %v", user, err) // also the only place where a refused publish shows
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func (n *NATS) dial(user string, options ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect(n.url(user), append(options, nats.Name(user),
		nats.CustomInboxPrefix(natsadmin.InboxPrefix(user)),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the broker as %s: %w", user, err)
	}
	return conn, nil
}

// Provision makes the stream and the consumers, as the provisioner does all the time in production. To be
// called after [NATS.Wipe], whenever a test has deleted them, or to have events of some types translated.
func (n *NATS) Provision(t testing.TB, translated ...events.Type) {
	t.Helper()
	conn, err := n.dial(natsadmin.Provisioner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := natsadmin.Provision(ctx, js, translated...); err != nil {
		t.Fatal(err)
	}
}
