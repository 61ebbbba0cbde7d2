package natsadmin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const within = 20 * time.Second

// world is a broker with the logins of production, and one that may do everything.
type world struct {
	t      testing.TB
	broker *localservers.NATS
	admin  jetstream.JetStream
}

func newWorld(t testing.TB) *world {
	t.Helper()
	var env []string
	for _, user := range natsadmin.Logins() {
		env = append(env, natsadmin.PasswordVariable(user)+"=secret-"+user)
	}
	config := strings.Replace(natsadmin.ServerConfig(natsadmin.ServerOptions{}), "users = [", "users = [\n{user: admin, password: secret-admin}", 1)
	broker, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: config, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	w := &world{t: t, broker: broker}
	w.admin = jetStream(t, w.connect("admin"))
	if err := natsadmin.Provision(t.Context(), w.admin); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) connect(user string) *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect(w.broker.URL(user, "secret-"+user), nats.CustomInboxPrefix(natsadmin.InboxPrefix(user)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what is refused shows where it is asked for
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// configure changes the stream's settings as no login of production may.
func (w *world) configure(change func(*jetstream.StreamConfig)) {
	w.t.Helper()
	stream, err := w.admin.Stream(w.t.Context(), events.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	change(&config)
	if _, err := w.admin.UpdateStream(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
}

// publish puts a message for shipping into the stream.
func (w *world) publish(order, message string) {
	w.t.Helper()
	if _, err := w.admin.Publish(w.t.Context(), events.OrderCancelRequested{}.Type().SubjectOf(order), []byte(message)); err != nil {
		w.t.Fatal(err)
	}
}
