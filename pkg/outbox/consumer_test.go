package outbox_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// wire is the way to the database, which can be cut and repaired.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.New("the wire is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		w.conns = append(w.conns, conn)
	}
	return conn, err
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, conn := range w.conns {
			conn.Close()
		}
		w.conns = nil
	}
}

// wired gives the outbox a way to the database that can be cut.
func (w *world) wired() *wire {
	w.t.Helper()
	wire := &wire{}
	config := w.pool.Config()
	config.ConnConfig.DialFunc = wire.dial
	pool, err := pgxpool.NewWithConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	w.config.Pool = pool
	return wire
}

func TestInbox_TheDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wire := w.wired()
	m, _ := w.start()
	w.send(20)
	w.eventually(20, "the first to take effect", `SELECT count(*) FROM effect`)
	w.settled()

	wire.set(true)
	w.send(20)
	testkit.Eventually(t, within, "the events to be retried", func() bool { return w.counted(outbox.Retries) >= 20 })
	if err := m.Ready(t.Context()); err == nil {
		t.Error("ready without a database")
	}
	if c := w.consumer(); c.NumPending+uint64(c.NumAckPending) != 20 {
		t.Errorf("20 events that nobody could store: %d pending, %d delivered and not acknowledged", c.NumPending, c.NumAckPending)
	}

	wire.set(false)
	w.eventually(40, "all to take effect", `SELECT count(*) FROM effect`)
	w.settled()
	if n := w.count(`SELECT count(*) FROM dead_letter`); n != 0 {
		t.Errorf("%d dead letters for a database that was away", n)
	}
	testkit.Eventually(t, within, "the outbox to be ready", func() bool { return m.Ready(t.Context()) == nil })
}

// An event whose database was away is not to blame: however long that lasts, it is retried within a second.
func TestInbox_AnEventDoesNotWaitLongForADatabaseThatWasAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wire := w.wired()
	w.start()
	wire.set(true)
	w.send(1)
	const often = 8 // an event that fails by itself would now wait for five seconds at least
	testkit.Eventually(t, within, "the event to be retried many times", func() bool {
		_, failing := w.retries(often)
		return failing
	})
	if e, _ := w.retries(1); e.NextAt.Sub(e.LastAt) > time.Second {
		t.Errorf("it waits for %v", e.NextAt.Sub(e.LastAt))
	}
	wire.set(false)
	w.settled()
}

// The commit may have happened or not when the connection breaks; the inbox knows.
func TestInbox_TheDatabaseGoesAwayInTheMiddleOfABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wire := w.wired()
	hold := w.arm(failpoint.Fault{Point: failpoint.InboxBeforeCommit, Kind: failpoint.Hold, Times: 1})
	w.send(20)
	w.start()
	w.held(hold)
	wire.set(true)
	w.faults.Release(hold)
	testkit.Eventually(t, within, "the events to be retried", func() bool { return w.counted(outbox.Retries) > 0 })
	wire.set(false)
	w.settled()
	if all, once := w.count(`SELECT count(*) FROM effect`), w.count(`SELECT count(DISTINCT event_id) FROM effect`); all != 20 || once != 20 {
		t.Errorf("20 events had %d effects, %d different ones", all, once)
	}
}

func TestInbox_ConsumingResumesWithoutARestart(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, w *world){
		"when the durable consumer was deleted": func(t *testing.T, w *world) {
			t.Helper()
			if err := w.admin.DeleteConsumer(t.Context(), stream, consumer); err != nil {
				t.Fatal(err)
			}
		},
		"when the stream was deleted": func(t *testing.T, w *world) {
			t.Helper()
			if err := w.admin.DeleteStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
		},
		"when the broker was killed": func(t *testing.T, w *world) {
			t.Helper()
			w.broker.Kill()
			if err := w.broker.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"when the broker lost its volume": func(t *testing.T, w *world) {
			t.Helper()
			w.broker.Kill()
			if err := errors.Join(w.broker.Wipe(), w.broker.Start(t.Context())); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m, _ := w.start()
			w.send(10)
			w.eventually(10, "the first to take effect", `SELECT count(*) FROM effect`)
			w.settled()
			lose(t, w)
			w.provision()
			w.send(10)
			w.eventually(20, "all to take effect", `SELECT count(*) FROM effect`)
			w.settled()
			testkit.Eventually(t, within, "the outbox to be ready", func() bool { return m.Ready(t.Context()) == nil })
			if n := w.count(`SELECT count(DISTINCT event_id) FROM effect`); n != 20 {
				t.Errorf("20 events had effects on %d", n)
			}
		})
	}
}

// Started before the broker is provisioned, or before it is there at all: it waits.
func TestInbox_WaitsForItsConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.admin.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	m, _ := w.start()
	w.publish(m, 1)
	if err := m.Ready(t.Context()); err == nil {
		t.Error("ready without a consumer")
	}
	w.provision()
	w.send(1)
	w.eventually(1, "the effect", `SELECT count(*) FROM effect`)
	w.eventually(2, "both events to be published", `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
}

func TestInbox_ShutdownFinishesTheRunningBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.before(func(context.Context, asked) error {
		once.Do(func() { close(begun); <-goOn })
		return nil
	})
	_, end, wait := w.run()
	w.send(1)
	<-begun
	w.send(100) // prefetched meanwhile, and not begun
	testkit.Eventually(t, within, "the others to be prefetched", func() bool { return w.consumer().NumAckPending == 101 })
	end()
	close(goOn)
	wait()
	if n := w.count(`SELECT count(*) FROM effect`); n != 1 {
		t.Errorf("%d events took effect, want the one that had begun", n)
	}
	if n := w.count(`SELECT count(*) FROM outbox WHERE published_at IS NULL`); n != 0 {
		t.Errorf("%d answers of what had begun were left unpublished", n)
	}
	if c := w.consumer(); c.AckFloor.Stream != 1 {
		t.Errorf("acknowledged up to %d, want the one that had begun", c.AckFloor.Stream)
	}

	// What was prefetched is not held until the acknowledgement wait ends: the next process has it at once.
	began := time.Now()
	w.start()
	w.eventually(101, "the rest to take effect", `SELECT count(*) FROM effect`)
	if time.Since(began) > ackWait/2 {
		t.Errorf("the next process got them after %v", time.Since(began))
	}
}

//nolint:paralleltest // it looks at all goroutines of the process
func TestOutbox_NothingRunsAfterRunHasReturned(t *testing.T) {
	w := newWorld(t)
	before := goleak.IgnoreCurrent()
	w.config.NATS = w.connect("app")
	m, stop := w.start()
	w.send(50)
	w.publish(m, 50)
	w.eventually(50, "all to take effect", `SELECT count(*) FROM effect`)
	stop()
	w.config.NATS.Close()
	w.pool.Reset()
	if err := goleak.Find(before, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck")); err != nil {
		t.Error(err)
	}
	if status := w.config.NATS.Status(); status != nats.CLOSED {
		t.Errorf("the connection is %v", status)
	}
}

func TestOutbox_ReadyFollowsTheBroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	testkit.Eventually(t, within, "the outbox to be ready", func() bool { return m.Ready(t.Context()) == nil })
	w.broker.Kill()
	testkit.Eventually(t, within, "the outbox to notice that the broker is gone", func() bool { return m.Ready(t.Context()) != nil })
	if err := w.broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, within, "the outbox to be ready once more", func() bool { return m.Ready(t.Context()) == nil })
	stop()
	if err := m.Ready(t.Context()); err == nil {
		t.Error("ready after its end")
	}
}
