package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// traces is a Tracer that keeps what it is called with.
type traces struct {
	mu      sync.Mutex
	batches []*traced
	sent    []outbox.Sent
}

// traced is a batch, and the order in which its trace was called.
type traced struct {
	*traces
	number     int // from 1
	deliveries []outbox.Delivery
	calls      []string
	answers    []outbox.Message
	fresh      map[string]bool
	err        error
}

type inTrace struct{}

// Begin gives the steps a context that they can be recognised by.
func (t *traces) Begin(ctx context.Context, batch []outbox.Delivery) (context.Context, outbox.Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := &traced{traces: t, number: len(t.batches) + 1, deliveries: slices.Clone(batch), calls: []string{"Begin"}}
	t.batches = append(t.batches, one)
	return context.WithValue(ctx, inTrace{}, true), one
}

func (t *traces) Acknowledged(message outbox.Sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, message)
}

// TraceParent has the number of the batch and of the delivery in it for a span id.
func (b *traced) TraceParent(i int) string {
	return fmt.Sprintf("%s%08d%08d-01", traceParent[:36], b.number, i+1)
}

func (b *traced) Stored(answers []outbox.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.answers = append(b.calls, "Stored"), slices.Clone(answers)
}

func (b *traced) End(fresh map[string]bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.fresh, b.err = append(b.calls, "End"), fresh, err
}

// ended are the batches whose trace has ended.
func (t *traces) ended() (list []traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.batches {
		if slices.Contains(b.calls, "End") {
			list = append(list, *b)
		}
	}
	return list
}

func (t *traces) acknowledged() []outbox.Sent {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}

// tracedCodec stores with a message what its cause has for a trace.
type tracedCodec struct{ codec }

func (c tracedCodec) Encode(e any, cause outbox.Cause) (outbox.Message, error) {
	m, err := c.codec.Encode(e, cause)
	m.TraceParent = cause.TraceParent
	return m, err
}

func newTracedWorld(t *testing.T) (*world, *traces) {
	t.Helper()
	w, tracer := newWorld(t), &traces{}
	w.config.Tracer, w.config.Codec = tracer, tracedCodec{}
	return w, tracer
}

func TestTrace_FollowsABatchOverACrash(t *testing.T) {
	t.Parallel()
	w, tracer := newTracedWorld(t)
	var outside bool
	w.before(func(ctx context.Context, _ asked) error {
		outside = outside || ctx.Value(inTrace{}) == nil
		return nil
	})
	w.arm(failpoint.Fault{Point: failpoint.InboxAfterCommit, Kind: failpoint.Error, Times: 1})
	id, key, message := request(t)
	before := time.Now()
	w.deliver(key, message)
	_, stop := w.start()
	w.settled()
	testkit.Eventually(t, within, "two traces", func() bool { return len(tracer.ended()) == 2 })
	w.eventually(1, "the answer to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	stop()
	all := tracer.ended()
	for i, b := range all {
		if !slices.Equal(b.calls, []string{"Begin", "Stored", "End"}) || len(b.deliveries) != 1 || b.err != nil {
			t.Fatalf("batch %d: %v of %d deliveries, %v", i, b.calls, len(b.deliveries), b.err)
		}
		d := b.deliveries[0]
		if d.ID != id || d.Key != key || d.TraceParent != traceParent || d.Attempt != i+1 {
			t.Errorf("batch %d: the delivery is %+v", i, d)
		}
		// The broker's clock is this machine's, and it counts from when the message was stored.
		if d.Since.Before(before.Add(-time.Second)) || d.Since.After(time.Now()) || !d.Since.Equal(all[0].deliveries[0].Since) {
			t.Errorf("batch %d: it is in the stream since %v", i, d.Since)
		}
	}
	first, second := all[0], all[1]
	if len(first.answers) != 1 || first.answers[0].Key.String() != key || len(first.fresh) != 1 || !first.fresh[id] {
		t.Errorf("the first time: answers %v, fresh %v", first.answers, first.fresh)
	}
	if len(second.answers) != 0 || len(second.fresh) != 0 {
		t.Errorf("the second time: answers %v, fresh %v", second.answers, second.fresh)
	}
	if outside {
		t.Error("a step ran outside of the trace's context")
	}
	published := w.published()
	var answer envelope
	if len(published) != 1 {
		t.Fatalf("%d answers are published", len(published))
	}
	if err := json.Unmarshal(published[0].Data, &answer); err != nil {
		t.Fatal(err)
	}
	if want := first.TraceParent(0); answer.Cause != id || answer.Trace != want || published[0].Header.Get("traceparent") != want {
		t.Errorf("the answer follows from %+v with headers %v, want %s", answer, published[0].Header, want)
	}
}

// What is rolled back has a trace too, with the reason.
func TestTrace_EndsWithTheError(t *testing.T) {
	t.Parallel()
	w, tracer := newTracedWorld(t)
	bad := errors.New("no luck")
	id, key, message := request(t)
	w.before(func(context.Context, asked) error { return outbox.DeadLetter(bad) })
	w.deliver(key, message)
	w.start()
	w.eventually(1, "the dead letter", `SELECT count(*) FROM dead_letter WHERE event_id = $1`, id)
	all := tracer.ended()
	if len(all) != 1 || !slices.Equal(all[0].calls, []string{"Begin", "End"}) || !errors.Is(all[0].err, bad) || len(all[0].fresh) != 0 {
		t.Fatalf("its traces: %+v", all)
	}
}

func TestTrace_OfWhatAnOperatorRedeliversHasNoAttempt(t *testing.T) {
	t.Parallel()
	w, tracer := newTracedWorld(t)
	o, err := outbox.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	id, key, message := request(t)
	err = o.Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := o.Redeliver(t.Context(), tx, message)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := tracer.ended()
	if len(all) != 1 || !all[0].fresh[id] || len(all[0].answers) != 1 {
		t.Fatalf("its traces: %+v", all)
	}
	if d := all[0].deliveries[0]; d.Attempt != 0 || !d.Since.IsZero() || d.TraceParent != traceParent {
		t.Errorf("the delivery is %+v", d)
	}
	if n := w.count(`SELECT count(*) FROM outbox WHERE key = $1 AND traceparent = $2`, key, all[0].TraceParent(0)); n != 1 {
		t.Error("the answer does not continue the trace")
	}
}

// A traceparent goes from the row to the broker and to the Tracer, also when another process has written the row.
func TestTrace_AcknowledgedAreMessagesWithATraceparent(t *testing.T) {
	t.Parallel()
	w, tracer := newTracedWorld(t)
	messages := failures(make([]string, 2))
	messages[1].TraceParent = traceParent
	before := time.Now()
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error { return outbox.Publish(t.Context(), tx, messages...) })
	if err != nil {
		t.Fatal(err)
	}
	_, stop := w.start()
	w.eventually(0, "all to be marked", unpublished)
	stop()
	published := w.published()
	if len(published) != 2 || published[1].Header.Get("traceparent") != traceParent {
		t.Fatalf("%d messages, the last one with headers %v", len(published), published[len(published)-1].Header)
	}
	if values, is := published[0].Header["traceparent"]; is {
		t.Errorf("the message without a trace has the headers %q", values)
	}
	sent := tracer.acknowledged()
	if len(sent) != 1 {
		t.Fatalf("acknowledged: %+v", sent)
	}
	got, want := sent[0], messages[1]
	if got.ID != want.ID.String() || got.Key != want.Key.String() || got.Type != want.Type || got.Subject != want.Subject ||
		got.TraceParent != traceParent || got.Republish {
		t.Errorf("acknowledged: %+v", got)
	}
	if got.StoredAt.After(got.SentAt) || got.StoredAt.Before(before.Add(-time.Second)) || got.SentAt.After(time.Now()) {
		t.Errorf("stored at %v, sent at %v", got.StoredAt, got.SentAt)
	}
}

func TestTrace_ARepublishedMessageIsMarkedAsOne(t *testing.T) {
	t.Parallel()
	w, tracer := newTracedWorld(t)
	message := failures(make([]string, 1))[0]
	message.TraceParent = traceParent
	o, _ := w.start()
	if err := o.Tx(t.Context(), func(tx pgx.Tx) error { return outbox.Publish(t.Context(), tx, message) }); err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "it to be marked", unpublished)
	w.exec(`WITH mark AS (DELETE FROM outbox_mark)
		INSERT INTO outbox_due (republish, position, id) SELECT true, position, id FROM outbox_message`)
	w.eventually(0, "it to be marked once more", unpublished)
	sent := tracer.acknowledged()
	if len(sent) != 2 || sent[0].Republish || !sent[1].Republish || !sent[1].StoredAt.Equal(sent[0].StoredAt) {
		t.Errorf("acknowledged: %+v", sent)
	}
}

// upTo are the outbox's migrations until one of them.
func upTo(t *testing.T, last string) fs.FS {
	t.Helper()
	some := fstest.MapFS{}
	files, err := fs.Glob(outbox.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name > last {
			continue
		}
		content, err := fs.ReadFile(outbox.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		some[name] = &fstest.MapFile{Data: content}
	}
	return some
}

// A database of the release before gets the column, and loses it again; its rows, and replicas of that release, stay.
func TestMigration_TheTraceparentComesAndGoes(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testkit.EmptyDatabase(t, testkit.Migration{Table: "goose_outbox", FS: upTo(t, "00002_marks.sql")}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	content, err := fs.ReadFile(outbox.Migrations(), "00003_trace.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, down, is := strings.Cut(string(content), "-- +goose Down")
	if !is {
		t.Fatal("it cannot be taken back")
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	rows := 0
	insert := func() { // as the replicas of older releases do
		t.Helper()
		exec(`INSERT INTO outbox (id, key, type, subject, payload) VALUES ($1, $1, 't', 's', '')`, uuid.New())
		exec(`INSERT INTO outbox (id, key, type, subject, payload, published_at, stream_seq) VALUES ($1, $1, 't', 's', '', now(), 1)`, uuid.New())
		rows += 2
		var due, marked, n int
		err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM outbox_due), (SELECT count(*) FROM outbox_mark),
			(SELECT count(*) FROM outbox WHERE NOT republish)`).Scan(&due, &marked, &n)
		if err != nil || due != rows/2 || marked != rows/2 || n != rows {
			t.Errorf("%d rows, %d due and %d marked, want %d (%v)", n, due, marked, rows, err)
		}
	}
	column := func(want bool) {
		t.Helper()
		var table, view bool
		err := pool.QueryRow(t.Context(), `SELECT bool_or(table_name = 'outbox_message'), bool_or(table_name = 'outbox')
			FROM (VALUES ('', '') UNION ALL SELECT table_name, column_name FROM information_schema.columns) AS c (table_name, column_name)
			WHERE column_name IN ('traceparent', '')`).Scan(&table, &view)
		if err != nil || table != want || view != want {
			t.Errorf("the table has the column: %v, the view: %v, want %v (%v)", table, view, want, err)
		}
	}
	insert()
	for range 2 {
		column(false)
		exec(up)
		column(true)
		insert()
		var recorded int
		if err := pool.QueryRow(t.Context(), `SELECT count(traceparent) FROM outbox`).Scan(&recorded); err != nil || recorded != 0 {
			t.Errorf("%d rows of older releases have a traceparent (%v)", recorded, err)
		}
		exec(`INSERT INTO outbox_message (id, key, type, subject, payload, traceparent) VALUES ($1, $1, 't', 's', '', $2)`,
			uuid.New(), traceParent) // as a release that writes it does
		if tag, err := pool.Exec(t.Context(), `DELETE FROM outbox_message WHERE traceparent = $1`, traceParent); err != nil || tag.RowsAffected() != 1 {
			t.Errorf("%d rows of this release have the traceparent (%v)", tag.RowsAffected(), err)
		}
		exec(down)
		insert()
	}
	column(false)
}
