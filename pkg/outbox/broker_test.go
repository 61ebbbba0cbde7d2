package outbox_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// republished waits until the stream holds exactly the events of these keys, each at least once, and the outbox
// knows it.
func (w *world) republished(want []string) {
	w.t.Helper()
	slices.Sort(want)
	testkit.Eventually(w.t, within, "every event to be in the stream and marked", func() bool {
		if w.count(unpublished) != 0 {
			return false
		}
		got := w.keys()
		slices.Sort(got)
		return slices.Equal(slices.Compact(got), want)
	})
}

// restart ends the broker by SIGKILL and starts it again, after something was done to its files.
func (w *world) restart(between func() error) {
	w.t.Helper()
	w.broker.Kill()
	if err := errors.Join(between(), w.broker.Start(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
	w.provision()
}

func TestBroker_ALostStreamIsRepublished(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w *world){
		"deleted while everybody is connected": func(w *world) {
			if err := w.admin.DeleteStream(w.t.Context(), stream); err != nil {
				w.t.Fatal(err)
			}
			w.provision()
		},
		"gone with the broker's volume": func(w *world) { w.restart(w.broker.Wipe) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m, _ := w.start()
			old := w.publish(m, 1)
			want := w.publish(m, 300)
			w.eventually(0, "all to be marked", unpublished)
			w.exec(`UPDATE outbox_mark SET published_at = now() - interval '25 hours' WHERE id = (SELECT id FROM outbox WHERE key = $1)`, old[0])
			lose(w)
			want = append(want, w.publish(m, 100)...) // the next ones find a stream that looks like any other
			w.republished(want)                       // and the one that is beyond the horizon stays away
			got := w.keys()
			missing := slices.DeleteFunc(slices.Clone(want), func(key string) bool { return slices.Contains(got, key) })
			t.Logf("measured: %d events missing", len(missing))
			if n := w.counted(outbox.Republished); n < 300 {
				t.Errorf("%v events were counted as republished, want 300 at least", n)
			}
		})
	}
}

// After a lost volume a day's rows are republished, and new rows do not wait behind them: what was never published goes
// first, then the newest of the others, and these no faster than the consumers are. Here the consumer handles nothing
// at all, so that they come window by window, once a second.
func TestBroker_RepublishedRowsComeAfterNewOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	old := w.publish(m, 4*outbox.Window)
	w.eventually(0, "all to be marked", unpublished)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayReplayed, Kind: failpoint.Hold, Times: 1})
	w.restart(w.broker.Wipe)
	w.held(hold)
	first := w.publish(m, 1)
	w.faults.Release(hold)
	testkit.Eventually(t, within, "the first window to be published", func() bool { return len(w.published()) >= outbox.Window })
	later := w.publish(m, 1)
	w.eventually(0, "all to be marked", unpublished)

	got := w.keys()
	if want := slices.Concat(first, old[len(old)-outbox.Window+1:]); !slices.Equal(got[:outbox.Window], want) {
		t.Error("the first window is not the new row and then the newest of the others")
	}
	at := slices.Index(got, later[0])
	t.Logf("measured: %d republished events before a new one", at)
	if at < 0 || at >= len(old)-outbox.Window {
		t.Errorf("an event that was stored behind the first window of %d events is number %d in the stream", outbox.Window, at+1)
	}
	w.republished(slices.Concat(old, first, later))
}

// The outbox was not there when the stream was lost, and has never met the new one.
func TestBroker_AStreamThatWasLostWhileTheRelayWasDownIsRepublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	want := w.publish(m, 100)
	w.eventually(0, "all to be marked", unpublished)
	stop()
	w.restart(w.broker.Wipe)
	w.start()
	w.republished(want)
}

func TestBroker_TheInboxAbsorbsWhatIsRepublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	_, key, message := request(t)
	w.deliver(key, message)
	w.eventually(1, "the effect", `SELECT count(*) FROM effect`)
	w.restart(w.broker.Wipe)
	w.deliver(key, message) // as the publisher's relay would
	w.settled()
	if n := w.count(`SELECT count(*) FROM effect`); n != 1 {
		t.Errorf("%d effects", n)
	}
}

// cut has the broker lose what it acknowledged last, as a power loss does: its files are what they were
// before. It returns what was published before and after that moment; the events are marked, all of them.
func (w *world) cut(m *outbox.Outbox) (kept, lost []string, forget func() error) {
	w.t.Helper()
	kept = w.publish(m, 50)
	w.eventually(0, "the first to be marked", unpublished)
	if err := w.broker.Stop(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	before := w.t.TempDir()
	if err := errors.Join(os.CopyFS(before, os.DirFS(w.broker.Store())), w.broker.Start(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
	lost = w.publish(m, 50)
	w.eventually(0, "all to be marked", unpublished)
	return kept, lost, func() error {
		return errors.Join(w.broker.Wipe(), os.CopyFS(w.broker.Store(), os.DirFS(before)))
	}
}

// others has n events published that do not concern this service, and make the stream longer.
func (w *world) others(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.admin.Publish(w.t.Context(), "toy.elsewhere."+uuid.NewString(), nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestBroker_ALostTailIsRepublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	kept, lost, forget := w.cut(m)
	// Half of them longer ago than what a restart alone would be suspected of: here the stream's length tells.
	w.exec(`UPDATE outbox_mark SET published_at = published_at - interval '1 hour' WHERE id IN (SELECT id FROM outbox WHERE key = ANY($1))`, lost[:25])
	w.restart(forget)
	w.republished(append(kept, lost...))
}

// When the relay looks, others have published so much that the stream is as long as it was: only the
// server's new id tells that something is missing.
func TestBroker_ALostTailThatOthersHaveCoveredIsRepublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	kept, lost, forget := w.cut(m)
	stop()
	w.restart(forget)
	w.others(100)
	w.start()
	w.republished(append(kept, lost...))
}

func TestBroker_NothingIsRepublishedWithoutAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	w.publish(m, 100)
	w.eventually(0, "all to be marked", unpublished)
	if err := w.config.NATS.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	m.Suspect()
	w.publish(m, 100)
	w.eventually(0, "all to be marked", unpublished)
	stop()
	m, _ = w.start()
	w.publish(m, 100)
	w.eventually(0, "all to be marked", unpublished)
	if n := w.counted(outbox.Republished); n != 0 {
		t.Errorf("%v events were republished", n)
	}
}

// A replica was paused with acknowledgements in its hands while the stream was lost, or the server's last seconds, and
// another replica noticed, which republishes for all. When it goes on it must not mark what may be lost.
func TestBroker_AStaleAcknowledgementMarksNothing(t *testing.T) {
	t.Parallel()
	for name, met := range map[string]string{ // what the other replica stores
		"the stream": `UPDATE broker SET stream_created = stream_created + interval '1 second'`,
		"the server": `UPDATE broker SET met_at = clock_timestamp()`,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); aStaleAcknowledgement(t, met) })
	}
}

func aStaleAcknowledgement(t *testing.T, met string) {
	t.Helper()
	w := newWorld(t)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayAcknowledged, Kind: failpoint.Hold, Times: 1})
	m, _ := w.start()
	want := w.publish(m, 10)
	w.held(hold)
	w.exec(met)
	after := w.arm(failpoint.Fault{Point: failpoint.RelayMarked, Kind: failpoint.Hold, Times: 1})
	w.faults.Release(hold)
	w.held(after)
	if n := w.count(unpublished); n != 10 {
		t.Errorf("%d of 10 events are still to be published after a mark that came too late", n)
	}
	w.faults.Release(after)
	w.republished(want)
}

// Acknowledgements that were not marked yet when the stream was lost say nothing about the new one.
func TestBroker_AcknowledgementsOfALostStreamAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hold := w.arm(failpoint.Fault{Point: failpoint.RelayPublished, Kind: failpoint.Hold, Times: 1})
	m, _ := w.start()
	want := w.publish(m, 10)
	w.held(hold)
	testkit.Eventually(t, within, "all to be acknowledged", func() bool { return m.Unanswered() == 0 })
	if err := w.admin.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	w.provision()
	w.others(20) // or its length alone would tell
	m.Suspect()
	w.faults.Release(hold)
	w.republished(want)
}

// Marks are taken back and the broker is remembered together, or a crash between would forget the rest.
func TestBroker_AnInterruptedRemovalOfMarksIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.RelayBeforeReplay, failpoint.RelayReplayed} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1})
			m, _ := w.start()
			want := w.publish(m, 20)
			w.eventually(0, "all to be marked", unpublished)
			w.restart(w.broker.Wipe)
			w.republished(want)
			if w.faults.List()[0].Fired == 0 {
				t.Error("the fault did not fire")
			}
		})
	}
}
