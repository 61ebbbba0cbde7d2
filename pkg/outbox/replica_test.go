package outbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/outbox/ownership"
	"example.com/ordersaga/pkg/outbox/recovery"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv("BE_REPLICA") == "" {
		testkit.Main(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := beReplica(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beReplica is an application that publishes, until ctx ends. It answers each command of a line with a line:
//
//	publish N  stores N events in one transaction
//	release    lets go on whoever is held at a failpoint
//	count      says how many messages were acknowledged, and how many of these the stream had before
func beReplica(ctx context.Context, in io.Reader, out io.Writer) error {
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	nc, err := connect(os.Getenv("NATS_URL"), "app")
	if err != nil {
		return err
	}
	defer nc.Close()
	faults, err := failpoint.FromEnv("", os.Getenv)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	counted := map[outbox.Metric]float64{}
	o, err := outbox.New(outbox.Config{
		Name: consumer, Stream: stream, Pool: pool, NATS: nc, Codec: codec{}, Failpoints: failpoints{faults},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Observe: func(m outbox.Metric, _ string, value float64) {
			mu.Lock()
			defer mu.Unlock()
			counted[m] += value
		},
	})
	if err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			var n int
			command, answer := lines.Text(), "done"
			switch _, err := fmt.Sscanf(command, "publish %d", &n); {
			case err == nil:
				keys := make([]string, n)
				err := o.Tx(ctx, func(tx pgx.Tx) error { return outbox.Publish(ctx, tx, failures(keys)...) })
				if err != nil {
					answer = err.Error()
				}
			case command == "release":
				for _, held := range faults.List() {
					faults.Release(held.ID)
				}
			default:
				mu.Lock()
				answer = fmt.Sprintln(counted[outbox.Published], counted[outbox.PublishDuplicates])
				mu.Unlock()
			}
			fmt.Fprintln(out, strings.TrimSpace(answer))
		}
	}()
	return o.Run(ctx)
}

// replica is a process of the toy application.
type replica struct {
	t       *testing.T
	command *exec.Cmd
	in      io.Writer
	out     *bufio.Scanner
}

// replica starts a process, with a fault armed.
func (w *world) replica(t *testing.T, fault string) *replica {
	t.Helper()
	r := &replica{t: t, command: exec.Command(os.Args[0])}
	r.command.Env = append(os.Environ(), "BE_REPLICA=1", "FAULTS="+fault,
		"DATABASE_URL="+w.pool.Config().ConnString(), "NATS_URL="+w.broker.URL("app", "secret"))
	r.command.Stderr = t.Output()
	in, err := r.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.in, r.out = in, bufio.NewScanner(out)
	localservers.EndWithUs(r.command, syscall.SIGKILL)
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.command.Process.Kill(); _ = r.command.Wait() })
	return r
}

// ask has the replica do something, and returns its answer.
func (r *replica) ask(command string) string {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, command); err != nil {
		r.t.Fatal(err)
	}
	if !r.out.Scan() {
		r.t.Fatalf("%s: no answer: %v", command, r.out.Err())
	}
	return r.out.Text()
}

// each is how many rows a replica stores in one transaction.
const each = 50

func (r *replica) publish() {
	r.t.Helper()
	if answer := r.ask(fmt.Sprint("publish ", each)); answer != "done" {
		r.t.Fatal(answer)
	}
}

func (r *replica) acknowledged() (messages, duplicates int) {
	r.t.Helper()
	answer := r.ask("count")
	if _, err := fmt.Sscan(answer, &messages, &duplicates); err != nil {
		r.t.Fatalf("%q: %v", answer, err)
	}
	return messages, duplicates
}

func (r *replica) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// alive are the relays that have been seen within a lease.
func (w *world) alive(n int) {
	w.t.Helper()
	w.eventually(n, "the relays to be seen", `SELECT count(*) FROM outbox_relay WHERE seen_at > now() - $1::interval`, ownership.Lease)
}

func TestReplicas_ARowIsPublishedByOneOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var replicas []*replica
	for range 3 {
		replicas = append(replicas, w.replica(t, ""))
	}
	w.alive(3)
	const rounds = 20
	for range rounds {
		for _, r := range replicas {
			r.publish()
		}
	}
	const rows = rounds * each * 3
	w.eventually(0, "all to be marked", unpublished)
	messages, duplicates := 0, 0
	for _, r := range replicas {
		m, d := r.acknowledged()
		messages, duplicates = messages+m, duplicates+d
	}
	t.Logf("measured: %d messages published for 100 events by three replicas", 100*messages/rows)
	if n := len(w.published()); n != rows {
		t.Errorf("the stream has %d events of %d", n, rows)
	}
	// A machine that stops a process for half a second makes it look dead. Without owners it is 200 %.
	if most := rows / 20; duplicates > most || messages > rows+most {
		t.Errorf("%d messages, %d of them duplicates, for %d rows", messages, duplicates, rows)
	}
}

// It dies at the worst moment: it has been seen just now, and holds rows that it has not published.
func TestReplicas_AnotherOnePublishesWhatADeadOneLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim := w.replica(t, "relay.taken=crash")
	w.replica(t, "")
	w.alive(2)
	victim.publish()
	_ = victim.command.Wait() // it was killed
	died := time.Now()
	testkit.Eventually(t, within, "the other one to publish", func() bool { return len(w.published()) == each })
	took := time.Since(died)
	t.Logf("measured: published %d ms after the death", took.Milliseconds())
	if took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A replica stands still for longer than its lease, with rows in its hands. When it goes on, another one has published
// them, and it may publish them again: the stream recognises that. It loses nothing, and goes on with what comes.
func TestReplicas_OneThatComesBackCostsDuplicatesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sleeper := w.replica(t, "relay.taken=hold")
	other := w.replica(t, "")
	w.alive(2)
	sleeper.publish()
	w.eventually(each, "the sleeper to own its rows", `SELECT count(*) FROM outbox_due`)
	sleeper.signal(syscall.SIGSTOP)
	w.eventually(0, "the other one to publish", unpublished)
	sleeper.signal(syscall.SIGCONT)
	sleeper.ask("release")
	sleeper.publish()
	w.eventually(0, "all to be marked", unpublished)
	messages, duplicates := sleeper.acknowledged()
	others, _ := other.acknowledged()
	t.Logf("the sleeper published %d messages, %d of them duplicates, and the other one %d", messages, duplicates, others)
	if others < each || messages < each || duplicates > each {
		t.Error("one of them has not published its rows, or has gone on with the other's")
	}
	if n := len(w.published()); n != 2*each {
		t.Errorf("the stream has %d of %d events", n, 2*each)
	}
}

// Idle or busy, it is never taken to be dead.
func TestReplicas_ARelayIsSeenAsLongAsItPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.alive(1)
	testkit.Always(t, 2*ownership.Lease, "it is seen", func() bool {
		w.publish(m, 1)
		return w.count(`SELECT count(*) FROM outbox_relay WHERE seen_at > now() - $1::interval`, ownership.Lease) == 1
	})
	testkit.Always(t, 2*ownership.Lease, "it is seen while there is nothing to do", func() bool {
		return w.count(`SELECT count(*) FROM outbox_relay WHERE seen_at > now() - $1::interval`, ownership.Lease) == 1
	})
}

func TestReplicas_OneThatEndsLeavesItsRowsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaving := w.replica(t, "")
	w.alive(1)
	leaving.signal(syscall.SIGTERM)
	if err := leaving.command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM outbox_relay`); n != 0 {
		t.Errorf("%d relays that have ended are said to publish", n)
	}
}

// A loop that one replica does for all is the first one's. When it has gone, another one does it.
func TestReplicas_OneOfThemDoesWhatOneIsEnoughFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := uuid.Nil // before everybody
	w.exec(`INSERT INTO outbox_relay (id, seen_at) VALUES ($1, now() + interval '1 hour')`, other)
	m, _ := w.start()
	w.alive(2)
	does := func() (done bool) {
		err := m.OnOneReplica(func(context.Context) error { done = true; return nil })(t.Context())
		if err != nil {
			t.Error(err)
		}
		return done
	}
	testkit.Eventually(t, within, "it to leave it to the other one", func() bool { return !does() })
	w.exec(`UPDATE outbox_relay SET seen_at = now() - $2::interval WHERE id = $1`, other, ownership.Lease)
	testkit.Eventually(t, within, "it to do so itself", does)
	w.exec(`INSERT INTO outbox_relay (id, seen_at) VALUES ($1, now() + interval '1 hour')`, uuid.Max)
	w.alive(2)
	testkit.Always(t, 2*outbox.Rescan, "one that comes later leaves it to us", does)
}

// foreign stores n rows of another owner.
func (w *world) foreign(owner uuid.UUID, n int) {
	w.t.Helper()
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		list := failures(make([]string, n))
		if err := outbox.Publish(w.t.Context(), tx, list...); err != nil {
			return err
		}
		ids := make([]uuid.UUID, n)
		for i, m := range list {
			ids[i] = m.ID
		}
		_, err := tx.Exec(w.t.Context(), `UPDATE outbox_due SET owner = $1 WHERE id = ANY ($2)`, owner, ids)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestOwnership_RowsChangeHandsWhenTheirOwnerIsDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	living, gone := uuid.New(), uuid.New()
	w.exec(`INSERT INTO outbox_relay (id, seen_at) VALUES ($1, now() + interval '1 hour')`, living)
	w.foreign(living, 2*outbox.Window)
	w.foreign(gone, 3*outbox.Window) // has ended, and has left its rows
	w.start()
	w.eventually(2*outbox.Window, "what was left to be published", unpublished)
	testkit.Always(t, 2*outbox.Rescan, "a living one keeps its rows", func() bool { return w.count(unpublished) == 2*outbox.Window })
	w.exec(`UPDATE outbox_relay SET seen_at = now() - $2::interval WHERE id = $1`, living, ownership.Lease)
	w.eventually(0, "all to be published", unpublished)
	w.eventually(1, "the dead one to be forgotten", `SELECT count(*) FROM outbox_relay`)
	if n := len(w.published()); n != 5*outbox.Window {
		t.Errorf("the stream has %d events", n)
	}
}

// Each round reads a window, however much is due: the rows come from the key in their order.
func TestOwnership_ARoundDoesNotReadTheWholeBacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const rows = 40 * outbox.Window
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return outbox.Publish(t.Context(), tx, failures(make([]string, rows))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.arm(failpoint.Fault{Point: failpoint.RelayTaken, Kind: failpoint.Error}) // they are taken again and again
	_, stop := w.start()
	testkit.Eventually(t, within, "rounds to take rows", func() bool { return w.counted(outbox.PublishErrors) >= 5 })
	stop() // ends the relay's session, and the server counts what it has read
	rounds := int(w.counted(outbox.PublishErrors)) + 1
	const reads = `SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'outbox_due'`
	testkit.Eventually(t, within, "the session to be counted", func() bool { return w.count(reads) > 0 })
	// Once a second they are counted, too.
	if n := w.count(reads); n > 2*rounds*outbox.Window+3*rows {
		t.Errorf("%d rounds have read %d rows, with windows of %d of %d", rounds, n, outbox.Window, rows)
	}
}

// A replica whose broker is away does not keep its rows from one whose broker is there.
func TestOwnership_ARelayThatCannotPublishIsTakenToBeDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.alive(1)
	if err := w.broker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.alive(0)
	if err := w.broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.alive(1)
}

// What a transaction has locked is left to it, and nobody waits.
func TestOwnership_TakingOverWaitsForNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dead, gone := uuid.New(), uuid.New()
	w.exec(`INSERT INTO outbox_relay (id, seen_at) VALUES ($1, now() - interval '1 hour')`, dead)
	w.foreign(gone, 10)
	other, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, lock := range []string{
		`SELECT FROM outbox_relay FOR UPDATE`,
		`SELECT FROM outbox_due WHERE position = (SELECT min(position) FROM outbox_due) FOR UPDATE`,
	} {
		if _, err := other.Exec(t.Context(), lock); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := w.start()
	w.publish(m, 1)
	w.eventually(1, "all to be published but what is locked", unpublished)
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "all to be published", unpublished)
}

// idAt is the id of the message at a position.
func (w *world) idAt(position int) (id string) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), `SELECT id::text FROM outbox_due WHERE position = $1`, position).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// A database that has lost commits gives the next message a position that was used before, and whose acknowledgement the
// relay may still have.
func TestRelay_AnAcknowledgementIsForItsMessageAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayAcknowledged, Kind: failpoint.Hold, Times: 1})
	m, _ := w.start()
	w.publish(m, 1)
	w.held(hold)
	w.exec(`WITH other AS (SELECT id, gen_random_uuid() AS random FROM outbox_message),
		due AS (UPDATE outbox_due SET id = random FROM other WHERE outbox_due.id = other.id)
		UPDATE outbox_message SET id = random FROM other WHERE outbox_message.id = other.id`)
	w.faults.Release(hold)
	w.eventually(0, "the other message to be published", unpublished)
	if got := len(w.published()); got != 2 {
		t.Errorf("%d messages are published, and there were two", got)
	}
}

// A round marks in the order of the rows. Here a transaction has the first row, and then wants the second: a round that
// had it already, and waited for the first, would wait for ever.
func TestOwnership_MarksHaveOneOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pass := func(context.Context) error { return nil }
	broker := recovery.New(recovery.Config{
		Stream: stream, NATS: w.config.NATS, JetStream: jetStream(t, w.config.NATS), Log: w.config.Log,
		Observe: func(string, int64) {}, BeforeCommit: pass, Committed: pass,
	})
	if _, err := broker.Check(t.Context(), w.pool); err != nil {
		t.Fatal(err)
	}
	w.foreign(ownership.Process, 2)
	config := w.pool.Config()
	for _, setting := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
		config.ConnConfig.RuntimeParams[setting] = "off" // as those of the relay
	}
	relay, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	other, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock := func(position int) {
		t.Helper()
		if _, err := other.Exec(t.Context(), `SELECT FROM outbox_due WHERE position = $1 FOR UPDATE`, position); err != nil {
			t.Errorf("lock row %d: %v", position, err)
		}
	}
	lock(1)
	marked := make(chan error, 1)
	go func() {
		batch := &pgx.Batch{}
		broker.Mark(batch, recovery.Acked{Republish: []bool{false, false}, Positions: []int64{2, 1}, Seqs: []int64{2, 1}, IDs: []string{w.idAt(2), w.idAt(1)}})
		marked <- relay.SendBatch(context.WithoutCancel(t.Context()), batch).Close()
	}()
	w.eventually(1, "the round to wait for the first row", `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	lock(2)
	if err := errors.Join(other.Commit(t.Context()), <-marked); err != nil {
		t.Error(err)
	}
	w.eventually(0, "both to be marked", unpublished)
}

// What the broker may have lost is republished by the relay that meets it first. The other one comes when all is marked
// once more.
func TestReplicas_OneOfThemRepublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, _ := w.start()
	w.config.NATS = w.connect("app")
	w.start()
	w.publish(one, 100)
	w.eventually(0, "all to be marked", unpublished)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayTaken, Kind: failpoint.Hold, Times: 1})
	w.publish(one, 1) // which one of them takes
	w.held(hold)
	w.restart(func() error { return nil })
	testkit.Eventually(t, within, "the other one to republish", func() bool { return w.counted(outbox.Republished) > 0 })
	w.eventually(0, "all to be marked once more", unpublished)
	w.faults.Release(hold)
	testkit.Always(t, 4*outbox.Rescan, "the late one does not do so once more", func() bool {
		return w.counted(outbox.Republished) <= 101
	})
}

// owners is the migration that brings them, and how it is taken back.
func owners(t *testing.T) (up, down string) {
	t.Helper()
	content, err := fs.ReadFile(outbox.Migrations(), "00005_owner.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, down, is := strings.Cut(string(content), "-- +goose Down")
	if !is {
		t.Fatal("it cannot be taken back")
	}
	return up, down
}

// Rows that were there before, and those that replicas of earlier releases go on writing, are published by the new ones.
func TestMigration_OwnersComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up, down := owners(t)
	before := func() { // as replicas of the releases before do
		t.Helper()
		list := failures(make([]string, 2))
		w.exec(`INSERT INTO outbox (id, key, type, subject, payload) VALUES ($1, $2, 't', $3, $4)`,
			list[0].ID, list[0].Key, list[0].Subject, list[0].Payload)
		w.exec(`WITH written AS (
				INSERT INTO outbox_message (id, key, type, subject, payload) VALUES ($1, $2, 't', $3, $4) RETURNING position, id)
			INSERT INTO outbox_due (position, id) SELECT position, id FROM written`,
			list[1].ID, list[1].Key, list[1].Subject, list[1].Payload)
	}
	for range 2 {
		w.exec(down)
		before()
		w.exec(up)
		before()
	}
	if n := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NULL AND NOT republish`); n != 8 {
		t.Errorf("%d of 8 rows are to be published", n)
	}
	w.start()
	w.eventually(0, "all to be published", unpublished)
	before()
	w.eventually(0, "what an earlier release wrote to be published", unpublished)
	keys := w.keys()
	slices.Sort(keys)
	if n := len(slices.Compact(keys)); n != 10 {
		t.Errorf("the stream has %d of 10 events", n)
	}
}
