package mailbox_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit"
)

const unpublished = `SELECT count(*) FROM outbox WHERE published_at IS NULL`

// stream changes the stream's settings as no login of production may.
func (w *world) stream(change func(*jetstream.StreamConfig)) {
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

// forgetDuplicates lets the stream recognise duplicates for a tenth of a second only, so that a relay that
// publishes again what it has published is seen.
func (w *world) forgetDuplicates() {
	w.t.Helper()
	w.stream(func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
}

func (w *world) orders() []string {
	w.t.Helper()
	var orders []string
	for _, msg := range w.published() {
		_, event, err := events.Decode(msg.Data)
		if err != nil {
			w.t.Fatal(err)
		}
		orders = append(orders, event.Order())
	}
	return orders
}

func TestWhatIsPutIsPublishedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forgetDuplicates()
	m, _ := w.start()
	want := w.put(m, 3*mailbox.Window)
	w.eventually(0, "all to be marked", unpublished)
	if n := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NOT NULL AND stream_seq IS NOT NULL`); n != len(want) {
		t.Errorf("%d of %d rows know when and where", n, len(want))
	}
	if got := w.orders(); !slices.Equal(got, want) {
		t.Errorf("published %d events, not in the order of the %d that were put", len(got), len(want))
	}
	if n := w.counted("publish_duplicates_total"); n != 0 {
		t.Errorf("%v events were published again while they were under way", n)
	}
	// Twice the time after which the relay looks at the outbox again, unasked.
	testkit.Always(t, 2*mailbox.Rescan, "nothing was published again", func() bool {
		stream, err := w.admin.Stream(t.Context(), events.Stream)
		return err == nil && int(stream.CachedInfo().State.Msgs) == len(want)
	})
}

func TestWhatIsRolledBackIsNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	no := errors.New("no")
	err := m.Do(t.Context(), func(tx pgx.Tx) error {
		return errors.Join(mailbox.Put(t.Context(), tx, failures(make([]string, 3))...), no)
	})
	if !errors.Is(err, no) {
		t.Errorf("Do returned %v", err)
	}
	w.put(m, 1)
	w.eventually(0, "all to be marked", unpublished)
	if n := len(w.published()); n != 1 {
		t.Errorf("%d events were published, want the committed one", n)
	}
}

// Positions are given out in the order of writing, and seen in the order of committing: whoever reads "what
// comes after the last one" misses this one.
func TestALateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	early, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := mailbox.Put(t.Context(), early, failures(make([]string, 1))...); err != nil {
		t.Fatal(err)
	}
	w.put(m, 10)
	w.eventually(10, "those who committed to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	if err := early.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(11, "the late one to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
}

// The process that committed them died before its relay was awake.
func TestRowsOfADeadProcessArePublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.put(m, 1)
	w.eventually(0, "the relay to have nothing to do", unpublished)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return mailbox.Put(t.Context(), tx, failures(make([]string, 1))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "all to be marked", unpublished)
}

func TestTheRelaySurvivesABrokerOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forgetDuplicates()
	m, _ := w.start()
	w.put(m, 10)
	w.eventually(0, "the first to be marked", unpublished)
	if err := w.broker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.put(m, 3*mailbox.Window)
	testkit.Eventually(t, within, "the backlog to be known", func() bool { return m.Unpublished() == 3*mailbox.Window })
	if n := w.counted("outbox_unpublished"); n != 3*mailbox.Window {
		t.Errorf("the gauge says %v", n)
	}
	if err := w.broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "all to be marked", unpublished)
	testkit.Eventually(t, within, "the backlog to be gone", func() bool { return m.Unpublished() == 0 })
	if n := len(w.published()); n < 10+3*mailbox.Window {
		t.Errorf("the stream has %d events", n)
	}
}

// A broker that refuses (its stream is full) gets the events when it has room again; until then they are not
// marked, and nothing is dropped to make room for them.
func TestTheRelayWaitsForAFullStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stream(func(c *jetstream.StreamConfig) { c.MaxBytes = 20 << 10 })
	m, _ := w.start()
	w.put(m, 100)
	testkit.Eventually(t, within, "the stream to be full", func() bool { return w.counted("publish_errors_total") > 1 })
	if marked, held := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`), len(w.published()); marked > held || held == 100 {
		t.Errorf("%d events are marked, and the stream holds %d of 100", marked, held)
	}
	w.stream(func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 })
	w.eventually(0, "all to be marked", unpublished)
	if n := len(w.published()); n != 100 {
		t.Errorf("the stream has %d of 100 events", n)
	}
}

// Two replicas publish the same rows now and then. The stream and the inboxes are made for that; no row may
// be left, and none be lost.
func TestTwoRelaysOnlyCostDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, _ := w.start()
	w.config.NATS = w.connect("shipping")
	two, _ := w.start()
	var want []string
	for range 10 {
		want = append(want, w.put(one, 100)...)
		want = append(want, w.put(two, 100)...)
	}
	w.eventually(0, "all to be marked", unpublished)
	got := w.orders()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the stream has %d events, want each of the %d once", len(got), len(want))
	}
}

// Wherever a round is interrupted, every event is in the stream and marked in the end.
func TestAnInterruptedRoundIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{
		failpoint.RelayTaken, failpoint.RelayBeforePublish, failpoint.RelayPublished, failpoint.RelayAcknowledged, failpoint.RelayMarked,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 2})
			m, _ := w.start()
			want := w.put(m, 50)
			w.eventually(0, "all to be marked", unpublished)
			got := w.orders()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("the stream has %d events, want each of the %d once", len(got), len(want))
			}
			if w.faults.List()[0].Fired == 0 {
				t.Error("the fault did not fire")
			}
		})
	}
}

func TestARowIsMarkedOnlyWhenAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayAcknowledged, Kind: failpoint.Hold, Times: 1})
	m, _ := w.start()
	w.put(m, 5)
	w.held(hold)
	if n := w.count(unpublished); n != 5 {
		t.Errorf("%d of 5 rows are unmarked before the acknowledgement was noted", n)
	}
	w.faults.Release(hold)
	w.eventually(0, "all to be marked", unpublished)
}

// A publication that nobody ever answers must not keep its row from being published.
func TestAnUnansweredPublicationIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.put(m, 1)
	w.eventually(0, "the first to be marked", unpublished)
	// Without the stream's subject nobody takes the message, and nobody says so.
	w.stream(func(c *jetstream.StreamConfig) { c.NoAck = true })
	w.put(m, 10)
	testkit.Eventually(t, within, "the publications to be in the air", func() bool { return m.Flying() == 10 })
	w.stream(func(c *jetstream.StreamConfig) { c.NoAck = false })
	w.eventually(0, "all to be marked", unpublished)
	if n := m.Flying(); n != 0 {
		t.Errorf("%d publications are still waited for", n)
	}
}

func TestAFaultPublishesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arm(failpoint.Fault{Point: failpoint.RelayBeforePublish, Kind: failpoint.Duplicate, Times: 3})
	m, _ := w.start()
	w.put(m, 10)
	w.eventually(0, "all to be marked", unpublished)
	testkit.Eventually(t, within, "13 messages of 10 events", func() bool { return len(w.published()) == 13 })
}

// An event that is to be given out again, inside the window in which the stream recognises duplicates, gets a
// message id of its own, and keeps its event id.
func TestARedrivenEventIsANewMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.put(m, 1)
	w.eventually(0, "it to be marked", unpublished)
	w.exec(`UPDATE outbox SET published_at = NULL, stream_seq = NULL, message_id = 'again'`)
	w.eventually(0, "it to be marked again", unpublished)
	all := w.published()
	if len(all) != 2 || string(all[0].Data) != string(all[1].Data) || all[1].Header.Get(jetstream.MsgIDHeader) != "again" {
		t.Errorf("%d messages, the last one with headers %v", len(all), all[len(all)-1].Header)
	}
}

func TestShutdownPublishesWhatWasPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	w.put(m, 1)
	w.eventually(0, "the first to be marked", unpublished)
	w.put(m, 2*mailbox.Window)
	stop()
	if n := w.count(unpublished); n != 0 {
		t.Errorf("%d events were left", n)
	}
}
