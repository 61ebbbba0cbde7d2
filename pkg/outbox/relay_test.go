package outbox_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

const unpublished = `SELECT count(*) FROM outbox WHERE published_at IS NULL`

// configure changes the stream's settings as no login of production may.
func (w *world) configure(change func(*jetstream.StreamConfig)) {
	w.t.Helper()
	config := w.stream().CachedInfo().Config
	change(&config)
	if _, err := w.admin.UpdateStream(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
}

// forgetDuplicates lets the stream recognise duplicates for a tenth of a second only, so that a relay that
// publishes a row twice is seen.
func (w *world) forgetDuplicates() {
	w.t.Helper()
	w.configure(func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
}

// keys are those of what the stream holds of the application's own events, oldest first.
func (w *world) keys() []string {
	w.t.Helper()
	var keys []string
	for _, msg := range w.published() {
		var e envelope
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func TestRelay_PublishesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forgetDuplicates()
	m, _ := w.start()
	want := w.publish(m, 3*outbox.Window)
	w.eventually(0, "all to be marked", unpublished)
	if n := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NOT NULL AND stream_seq IS NOT NULL`); n != len(want) {
		t.Errorf("%d of %d rows know when and where", n, len(want))
	}
	if got := w.keys(); !slices.Equal(got, want) {
		t.Errorf("published %d events, not in the order of the %d that were stored", len(got), len(want))
	}
	if n := w.counted(outbox.PublishDuplicates); n != 0 {
		t.Errorf("%v events were published once more while they were in flight", n)
	}
	// Twice the time after which the relay looks at the outbox without a signal.
	testkit.Always(t, 2*outbox.Rescan, "nothing is published once more", func() bool {
		return int(w.stream().CachedInfo().State.Msgs) == len(want)
	})
}

func TestRelay_WhatIsRolledBackIsNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	no := errors.New("no")
	err := m.Tx(t.Context(), func(tx pgx.Tx) error {
		return errors.Join(outbox.Publish(t.Context(), tx, failures(make([]string, 3))...), no)
	})
	if !errors.Is(err, no) {
		t.Errorf("Tx returned %v", err)
	}
	w.publish(m, 1)
	w.eventually(0, "all to be marked", unpublished)
	if n := len(w.published()); n != 1 {
		t.Errorf("%d events were published, want the committed one", n)
	}
}

// Positions are given out in the order of writing, and seen in the order of committing: whoever reads "what comes after
// the last one" misses this one, however long its transaction was open.
func TestRelay_ALateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	early, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := outbox.Publish(t.Context(), early, failures(make([]string, 1))...); err != nil {
		t.Fatal(err)
	}
	n := 0
	for began := time.Now(); time.Since(began) < 10*time.Second; n += 2 * outbox.Window {
		w.publish(m, 2*outbox.Window)
		w.eventually(0, "those that are committed to be published", unpublished)
	}
	if err := early.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(n+1, "the late one to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
}

// The process that committed them died before its relay was awake.
func TestRelay_RowsOfADeadProcessArePublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.publish(m, 1)
	w.eventually(0, "the relay to have nothing to do", unpublished)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return outbox.Publish(t.Context(), tx, failures(make([]string, 1))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "all to be marked", unpublished)
}

func TestRelay_SurvivesABrokerOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forgetDuplicates()
	m, _ := w.start()
	w.publish(m, 10)
	w.eventually(0, "the first to be marked", unpublished)
	if err := w.broker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.publish(m, 3*outbox.Window)
	testkit.Eventually(t, within, "the backlog to be known", func() bool { return m.Backlog() == 3*outbox.Window })
	if n := w.counted(outbox.Backlog); n != 3*outbox.Window {
		t.Errorf("the gauge says %v", n)
	}
	if err := w.broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(0, "all to be marked", unpublished)
	testkit.Eventually(t, within, "the backlog to be gone", func() bool { return m.Backlog() == 0 })
	if n := len(w.published()); n < 10+3*outbox.Window {
		t.Errorf("the stream has %d events", n)
	}
}

// A broker that refuses (its stream is full) gets the events when it has room again; until then they are not
// marked, and nothing is dropped to make room for them.
func TestRelay_WaitsForAFullStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure(func(c *jetstream.StreamConfig) { c.MaxBytes = 20 << 10 })
	m, _ := w.start()
	w.publish(m, 100)
	testkit.Eventually(t, within, "the stream to be full", func() bool { return w.counted(outbox.PublishErrors) > 1 })
	if marked, held := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`), len(w.published()); marked > held || held == 100 {
		t.Errorf("%d events are marked, and the stream holds %d of 100", marked, held)
	}
	w.configure(func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 })
	w.eventually(0, "all to be marked", unpublished)
	if n := len(w.published()); n != 100 {
		t.Errorf("the stream has %d of 100 events", n)
	}
}

// Two replicas publish the same rows now and then. The stream and the inboxes are made for that; no row may
// be left, and none be lost.
func TestRelay_TwoRelaysOnlyCostDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, _ := w.start()
	w.config.NATS = w.connect("app")
	two, _ := w.start()
	var want []string
	for range 10 {
		want = append(want, w.publish(one, 100)...)
		want = append(want, w.publish(two, 100)...)
	}
	w.eventually(0, "all to be marked", unpublished)
	got := w.keys()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the stream has %d events, want each of the %d once", len(got), len(want))
	}
}

// Wherever a round is interrupted, every event is in the stream and marked in the end.
func TestRelay_AnInterruptedRoundIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{
		failpoint.RelayTaken, failpoint.RelayBeforePublish, failpoint.RelayPublished, failpoint.RelayAcknowledged, failpoint.RelayMarked,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 2})
			m, _ := w.start()
			want := w.publish(m, 50)
			w.eventually(0, "all to be marked", unpublished)
			got := w.keys()
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

func TestRelay_ARowIsMarkedOnlyWhenAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayAcknowledged, Kind: failpoint.Hold, Times: 1})
	m, _ := w.start()
	w.publish(m, 5)
	w.held(hold)
	if n := w.count(unpublished); n != 5 {
		t.Errorf("%d of 5 rows are unmarked before the acknowledgement was noted", n)
	}
	w.faults.Release(hold)
	w.eventually(0, "all to be marked", unpublished)
}

// A publication that nobody ever answers must not keep its row from being published.
func TestRelay_AnUnansweredPublicationIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.publish(m, 1)
	w.eventually(0, "the first to be marked", unpublished)
	// The stream takes the messages, and does not acknowledge them.
	w.configure(func(c *jetstream.StreamConfig) { c.NoAck = true })
	w.publish(m, 10)
	testkit.Eventually(t, within, "the publications to be in flight", func() bool { return m.Unanswered() == 10 })
	w.configure(func(c *jetstream.StreamConfig) { c.NoAck = false })
	w.eventually(0, "all to be marked", unpublished)
	if n := m.Unanswered(); n != 0 {
		t.Errorf("%d publications are still waited for", n)
	}
}

func TestRelay_AFailpointPublishesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arm(failpoint.Fault{Point: failpoint.RelayBeforePublish, Kind: failpoint.Duplicate, Times: 3})
	m, _ := w.start()
	w.publish(m, 10)
	w.eventually(0, "all to be marked", unpublished)
	testkit.Eventually(t, within, "13 messages of 10 events", func() bool { return len(w.published()) == 13 })
}

// An event that is to be published once more, inside the window in which the stream recognises duplicates, gets a
// message id of its own, and keeps its event id.
func TestRelay_ARowWithAMessageIDIsANewMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	w.publish(m, 1)
	w.eventually(0, "it to be marked", unpublished)
	w.exec(`WITH message AS (UPDATE outbox_message SET message_id = 'another' RETURNING position, id),
		mark AS (DELETE FROM outbox_mark)
		INSERT INTO outbox_due (position, id) SELECT position, id FROM message`)
	w.eventually(0, "it to be marked once more", unpublished)
	all := w.published()
	if len(all) != 2 || string(all[0].Data) != string(all[1].Data) || all[1].Header.Get(jetstream.MsgIDHeader) != "another" {
		t.Errorf("%d messages, the last one with headers %v", len(all), all[len(all)-1].Header)
	}
}

func TestRelay_ShutdownPublishesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	w.publish(m, 1)
	w.eventually(0, "the first to be marked", unpublished)
	w.publish(m, 2*outbox.Window)
	stop()
	if n := w.count(unpublished); n != 0 {
		t.Errorf("%d events were left", n)
	}
}
