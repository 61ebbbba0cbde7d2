package outbox_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
)

func TestOutbox_NewChecksTheConfiguration(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	good := outbox.Config{Name: "toy", Stream: stream, Pool: pool, NATS: &nats.Conn{}, Codec: codec{}, Handlers: []outbox.Handler{outbox.Handle(ignore[other])}}
	for name, test := range map[string]struct {
		spoil func(*outbox.Config)
		err   string
	}{
		"good":                   {func(*outbox.Config) {}, ""},
		"no handlers":            {func(c *outbox.Config) { c.Handlers = nil }, ""},
		"no name":                {func(c *outbox.Config) { c.Name = "" }, "needs a name"},
		"no database":            {func(c *outbox.Config) { c.Pool = nil }, "a database"},
		"two handlers of a type": {func(c *outbox.Config) { c.Handlers = append(c.Handlers, outbox.Handle(ignore[other])) }, "two handlers of other"},
	} {
		c := good
		c.Handlers = slices.Clone(good.Handlers)
		test.spoil(&c)
		_, err := outbox.New(c)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
}

func TestOutbox_TxHasItsFailpoints(t *testing.T) {
	t.Parallel()
	for point, committed := range map[failpoint.Point]int{failpoint.OutboxBeforeCommit: 0, failpoint.OutboxAfterCommit: 1} {
		w := newWorld(t)
		w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error})
		o, err := outbox.New(w.config)
		if err != nil {
			t.Fatal(err)
		}
		err = o.Tx(t.Context(), func(tx pgx.Tx) error { return outbox.Publish(t.Context(), tx, failures(make([]string, 1))...) })
		if !errors.Is(err, failpoint.ErrArmed) {
			t.Errorf("%s: Tx returned %v", point, err)
		}
		if n := w.count(`SELECT count(*) FROM outbox`); n != committed {
			t.Errorf("%s: %d events were committed, want %d", point, n, committed)
		}
	}
}

func TestOutbox_PublishIsOneStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := make([]string, 3)
	messages := failures(keys)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return errors.Join(outbox.Publish(t.Context(), tx), outbox.Publish(t.Context(), tx, messages...))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range messages {
		if n := w.count(`SELECT position FROM outbox WHERE id = $1 AND key = $2 AND type = $3 AND subject = $4 AND payload = $5 AND NOT republish`,
			m.ID, keys[i], m.Type, m.Subject, m.Payload); n != i+1 {
			t.Errorf("message %d has position %d", i, n)
		}
	}
	if n := w.count(`SELECT count(DISTINCT xmin::text) FROM outbox_message`); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

func TestOutbox_CauseIsOfTheStep(t *testing.T) {
	t.Parallel()
	cause := outbox.Cause{EventID: uuid.NewString(), TraceParent: traceParent}
	if got := outbox.CauseOf(outbox.WithCause(t.Context(), cause)); got != cause {
		t.Errorf("the cause is %+v", got)
	}
	if got := outbox.CauseOf(t.Context()); got != (outbox.Cause{}) {
		t.Errorf("outside of a step the cause is %+v", got)
	}
}

// An application without handlers publishes, and needs no consumer.
func TestOutbox_CanPublishOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Handlers, w.config.Name = nil, "nobody"
	o, _ := w.start()
	w.publish(o, 1)
	w.eventually(0, "it to be marked", unpublished)
	if err := o.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// The library can be copied into any project: it needs Postgres, NATS and UUIDs, and nothing of this repository.
func TestOutbox_DependsOnNothingOfThisRepository(t *testing.T) {
	t.Parallel()
	list := func(format string) []string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	for _, path := range list("{{if not .Standard}}{{.ImportPath}}{{end}}") {
		for _, foreign := range []string{"example.com/ordersaga/", "prometheus", "goose"} {
			if strings.Contains(path, foreign) && !strings.HasPrefix(path, "example.com/ordersaga/pkg/outbox") {
				t.Errorf("it depends on %s", path)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(path, "/")
		ours := strings.HasPrefix(path, "github.com/jackc/pgx/v5") || strings.HasPrefix(path, "github.com/nats-io/nats.go") || path == "github.com/google/uuid"
		if strings.Contains(first, ".") && !ours && !strings.HasPrefix(path, "example.com/ordersaga/pkg/outbox/") {
			t.Errorf("it imports %s", path)
		}
	}
}

// The chapter names its pages; a file that is missing there is not read.
func TestOutbox_TheChapterNamesEveryFile(t *testing.T) {
	t.Parallel()
	chapter, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file != "doc.go" && !strings.HasSuffix(file, "_test.go") && !strings.Contains(string(chapter), " "+file) {
			t.Errorf("the package comment does not explain %s", file)
		}
	}
}

func TestDeadLetter_IsStillTheError(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	if err := outbox.DeadLetter(cause); !errors.Is(err, cause) || err.Error() != "cause" {
		t.Errorf("it has become %v", err)
	}
}
