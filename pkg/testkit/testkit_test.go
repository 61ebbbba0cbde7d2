package testkit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv("TESTKIT_WITHOUT_MAIN") != "" {
		os.Exit(m.Run())
	}
	if os.Getenv("TESTKIT_LEAK") != "" {
		go func() { select {} }()
	}
	testkit.Main(m)
}

var shelf = testkit.Migration{Table: "goose_shelf", FS: fstest.MapFS{
	"001_shelf.sql": {Data: []byte("-- +goose Up\nCREATE TABLE shelf (n int);\n")},
}}

func TestDatabase_EachIsFresh(t *testing.T) {
	t.Parallel()
	for range 3 {
		db := testkit.Database(t, events.Order, shelf)
		if n := count(t, db, `SELECT count(*) FROM shelf`); n != 0 {
			t.Fatalf("%d rows in a fresh database", n)
		}
		if _, err := db.Pool.Exec(t.Context(), `INSERT INTO shelf VALUES (1)`); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM outbox`); n != 0 {
			t.Errorf("%d rows in a fresh outbox", n)
		}
	}
}

func TestDatabase_HasTheLoginsOfProduction(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment, shelf)
	for login, test := range map[string]struct{ url, user, sql, code string }{
		"the service owns nothing":  {db.URL, "payment", "DROP TABLE shelf", "42501"},
		"the owner owns the tables": {db.OwnerURL, "payment_owner", "ALTER TABLE shelf ADD word text", ""},
		"audit changes nothing":     {db.AuditURL, "audit", "INSERT INTO shelf VALUES (1)", "25006"},
	} {
		conn, err := pgx.Connect(t.Context(), test.url)
		if err != nil {
			t.Fatal(err)
		}
		var user string
		if err := conn.QueryRow(t.Context(), "SELECT current_user").Scan(&user); err != nil || user != test.user {
			t.Errorf("%s: the login is %s (%v)", login, user, err)
		}
		_, err = conn.Exec(t.Context(), test.sql)
		if code := codeOf(err); code != test.code {
			t.Errorf("%s: code %q, want %q (%v)", login, code, test.code, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestBroker_EachIsIsolated(t *testing.T) {
	t.Parallel()
	one, other := testkit.OwnBroker(t), testkit.OwnBroker(t)
	publish(t, one, events.Order, "saga.order.OrderCreated.v1.1")
	if n := messages(t, one); n != 1 {
		t.Errorf("%d messages, want the one that was published", n)
	}
	if n := messages(t, other); n != 0 {
		t.Errorf("%d messages from another test's broker", n)
	}
}

func TestBroker_StartsEmptyAndProvisioned(t *testing.T) {
	for range 2 {
		t.Run("", func(t *testing.T) {
			broker := testkit.Broker(t)
			if n := messages(t, broker); n != 0 {
				t.Fatalf("%d messages that somebody left", n)
			}
			publish(t, broker, events.Order, "saga.order.OrderCreated.v1.1")
		})
	}
}

func TestBroker_HasThePermissionsOfProduction(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	refused := make(chan error, 1)
	conn, err := nats.Connect(broker.URL("order"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Publish("saga.payment.PaymentProcessed.v1.1", nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("the broker says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("order may publish for payment")
	}
}

func TestOwnBroker_CanBeKilledStoppedAndWiped(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	conn := broker.Connect(t, events.Order) // made once: it has to find every next server by itself
	again := func(published int) {
		t.Helper()
		broker.Start(t)
		testkit.Eventually(t, 10*time.Second, "the connection to come back", conn.IsConnected)
		if published >= 0 {
			if n := messages(t, broker); n != published {
				t.Fatalf("%d messages, want %d", n, published)
			}
		}
	}
	publish(t, broker, events.Order, "saga.order.OrderCreated.v1.1")
	broker.Kill(t)
	testkit.Eventually(t, 10*time.Second, "the connection to break", func() bool { return !conn.IsConnected() })
	again(1)
	broker.Stop(t)
	broker.Wipe(t)
	again(-1)
	broker.Provision(t)
	if n := messages(t, broker); n != 0 {
		t.Errorf("%d messages survived the loss of the volume", n)
	}
}

// The sources are tried in processes of their own, since a process decides once.
func TestSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nowhere := "DOCKER_HOST=unix://" + filepath.Join(dir, "docker.sock")
	for _, test := range []struct {
		name string
		env  []string
		want string // a part of the failure; empty: passes
	}{
		{"local", []string{"TESTKIT=local"}, ""},
		{"env", append(servers(t), "TESTKIT=env"), ""},
		{"none of them", []string{"TESTKIT=nonsense"}, `TESTKIT is "nonsense", which is none of env, docker, local`},
		{"env without a server", []string{"TESTKIT=env"}, "no PostgreSQL for tests: env: TEST_DATABASE_URL is not set"},
		{"env before the others", []string{"TEST_DATABASE_URL=postgres://nobody@127.0.0.1:1/none"}, "no PostgreSQL for tests: env: TEST_DATABASE_URL: "},
		{"docker without a daemon", []string{"TESTKIT=docker", nowhere}, "no PostgreSQL for tests: docker: no Docker daemon answers"},
		{"nothing at all", []string{nowhere, "PG_BINDIR=" + dir},
			"env: TEST_DATABASE_URL is not set; docker: no Docker daemon answers; local: PG_BINDIR is " + dir},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := child(t, test.env...)
			if test.want == "" && err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if test.want != "" && (err == nil || !strings.Contains(out, test.want)) {
				t.Errorf("it ended with %v and said\n%s\nwant %q", err, out, test.want)
			}
			if strings.Contains(out, "--- SKIP") {
				t.Error("it skipped")
			}
		})
	}
}

// Where there is Docker the kit has to work; where there is none, or one without images, it has to say so.
func TestSources_DockerWorksOrReportsThatItIsNotThere(t *testing.T) {
	t.Parallel()
	out, err := child(t, "TESTKIT=docker")
	reason := regexp.MustCompile(`no PostgreSQL for tests: docker: (no Docker daemon answers|.*(registry|pull|No such image).*)`)
	if err != nil && !reason.MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
	if err != nil {
		t.Logf("not tried: %s", reason.FindString(out))
	}
}

func TestMainFunction_APackageWithoutItFails(t *testing.T) {
	t.Parallel()
	out, err := child(t, "TESTKIT_WITHOUT_MAIN=1")
	if err == nil || !strings.Contains(out, "this package needs a TestMain") {
		t.Errorf("it ended with %v and said\n%s", err, out)
	}
}

func TestMainFunction_AGoroutineThatIsLeftFailsThePackage(t *testing.T) {
	t.Parallel()
	out, err := child(t, "TESTKIT=local", "TESTKIT_LEAK=1")
	if err == nil || !strings.Contains(out, "found unexpected goroutines") {
		t.Errorf("it ended with %v and said\n%s", err, out)
	}
}

// child runs the tests that need servers, with these variables and none of ours that choose a source.
func child(t *testing.T, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.count=1",
		"-test.run=^(TestDatabase_EachIsFresh|TestDatabase_HasTheLoginsOfProduction|TestBroker_StartsEmptyAndProvisioned)$")
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains([]string{"TESTKIT", "TEST_DATABASE_URL", "TEST_NATS_URL"}, name) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// servers are what somebody would name in the environment.
func servers(t *testing.T) []string {
	t.Helper()
	root, err := localservers.DataRoot("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	postgres, err := localservers.StartPostgres(t.Context(), localservers.PostgresConfig{Dir: filepath.Join(root, "postgres"), NoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(postgres.Kill)
	broker, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: "jetstream {}"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	return []string{"TEST_DATABASE_URL=" + postgres.URL(), "TEST_NATS_URL=" + broker.URL("anybody", "anything")}
}

func publish(t *testing.T, broker *testkit.NATS, service events.Service, subject string) {
	t.Helper()
	js, err := jetstream.New(broker.Connect(t, service))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject, nil); err != nil {
		t.Fatal(err)
	}
}

func messages(t *testing.T, broker *testkit.NATS) int {
	t.Helper()
	js, err := jetstream.New(broker.ConnectAs(t, natsadmin.Observer))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return int(stream.CachedInfo().State.Msgs)
}

func count(t *testing.T, db *testkit.DB, sql string) int {
	t.Helper()
	var n int
	if err := db.Pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func codeOf(err error) string {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
