package payment

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// publish puts an event on the stream, as inventory or shipping would. Each message has an id of its own, so that the
// broker does not recognise what the inbox is to recognise.
func publish(t *testing.T, js jetstream.JetStream, eventID string, event events.Event) {
	t.Helper()
	message, err := events.Encode(eventID, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), event.Type().SubjectOf(event.Order()), message); err != nil {
		t.Fatal(err)
	}
}

func stream(t *testing.T, broker *testkit.NATS, as events.Service) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(broker.Connect(t, as))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// The whole service, from the stream to the stream: delivered a hundred times, charged once.
func TestService_AReservationDeliveredAHundredTimesIsChargedOnce(t *testing.T) {
	t.Parallel()
	db, gate, broker := database(t), newGate(t), testkit.Broker(t)
	settings := quick()
	settings.GatewayURL = gate.wire.URL
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, service.Config{
			Service: events.Payment, DatabaseURL: db.URL, MigrationsURL: db.OwnerURL, NATSURL: broker.URL("payment"),
			Addr: "127.0.0.1:0", LogLevel: slog.LevelError,
		}, settings)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	js, id := stream(t, broker, events.Inventory), newID(t)
	eventID := newID(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { publish(t, js, eventID, reserved(id, "tok_visa")) })  // the same event again
		wg.Go(func() { publish(t, js, newID(t), reserved(id, "tok_visa")) }) // the same order in another event
	}
	wg.Wait()
	testkit.Eventually(t, 30*time.Second, "every delivery to be remembered", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM inbox`) == 51
	})
	testkit.Eventually(t, 30*time.Second, "the answer to be published", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`) == 1
	})
	charges, _ := gate.moved(t, id)
	t.Logf("measured: %d charges of one order", charges)
	if charges != 1 || gate.wire.seen.Load() != 1 {
		t.Errorf("%d charges, %d calls", charges, gate.wire.seen.Load())
	}

	publish(t, stream(t, broker, events.Shipping), newID(t), cancelled(id))
	testkit.Eventually(t, 30*time.Second, "the money to be given back", func() bool {
		return text(t, db.Pool, `SELECT state FROM payment WHERE order_id = $1`, id) == string(charge.Refunded)
	})
}

// process is payment in a process of its own.
func process(t *testing.T, db *testkit.DB, broker *testkit.NATS, gate *gate, faults string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "BE_PAYMENT=1", "DATABASE_URL="+db.URL, "MIGRATIONS_URL="+db.OwnerURL,
		"NATS_URL="+broker.URL("payment"), "GATEWAY_URL="+gate.wire.URL, "GATEWAY_TIMEOUT=200ms", "LOG_LEVEL=ERROR",
		"RETRY_FIRST=10ms", "FAULTS_ENABLED=true", "FAULTS="+faults)
	localservers.EndWithUs(command, syscall.SIGKILL)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command
}

// The five places where a charge can be killed. Each time the next process brings it to its end, with one charge.
func TestService_IsKilledOnTheWayAndChargesOnce(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{
		failpoint.GatewayClaimed, failpoint.GatewayChargeSent, failpoint.GatewayAfterCharge, failpoint.GatewayBeforeFinish, failpoint.GatewayFinished,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			db, gate, broker := database(t), newGate(t), testkit.Broker(t)
			id := newID(t)
			publish(t, stream(t, broker, events.Inventory), newID(t), reserved(id, "tok_visa"))

			victim := process(t, db, broker, gate, fmt.Sprintf("%s=crash;order=%s", point, id))
			err := victim.Wait()
			if status, ok := victim.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("it was not killed: %v", err)
			}
			heir := process(t, db, broker, gate, "")
			testkit.Eventually(t, 30*time.Second, "the answer to be published", func() bool {
				return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE key = $1 AND published_at IS NOT NULL`, id) == 1
			})
			if err := heir.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := heir.Wait(); err != nil {
				t.Errorf("after SIGTERM: %v", err)
			}
			s := openShop(t, db, gate, quick())
			if published := s.published(id); s.state(id) != charge.Captured || !slices.Equal(published, []string{"PaymentProcessed"}) {
				t.Errorf("%s, published %v", s.state(id), published)
			}
			if charges, _ := gate.moved(t, id); charges != 1 {
				t.Errorf("%d charges", charges)
			}
			s.checkLedgers()
		})
	}
}

func TestSettings_ThatMakeNoSenseAreRefusedByName(t *testing.T) {
	t.Parallel()
	env := func(key, value string) func(string) string {
		return func(asked string) string {
			if asked == key {
				return value
			}
			return ""
		}
	}
	for key, value := range map[string]string{
		"GATEWAY_CONCURRENCY": "0", "GATEWAY_TIMEOUT": "soon", "CHARGE_BUDGET": "-1s", "RECONCILE_EVERY": "0s",
	} {
		if _, err := SettingsFromEnv(env(key, value)); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	s, err := SettingsFromEnv(env("GATEWAY_URL", "http://ambassador:8080"))
	if err != nil || s.GatewayURL != "http://ambassador:8080" || s.Horizon != 30*time.Second || s.Concurrency != 64 {
		t.Errorf("%+v, %v", s, err)
	}
}
