package provisioner_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/apps/internal/provisioner"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// addr waits for the address that the process logs when it serves.
type addr struct {
	mu   sync.Mutex
	addr string
}

func (a *addr) Write(line []byte) (int, error) {
	var entry struct {
		Addr string `json:"addr"`
	}
	if json.Unmarshal(line, &entry) == nil && entry.Addr != "" {
		a.mu.Lock()
		a.addr = entry.Addr
		a.mu.Unlock()
	}
	return len(line), nil
}

func (a *addr) url(path string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "http://" + a.addr + path
}

// run runs a provisioner until the test ends.
func run(t *testing.T, natsURL string) *addr {
	t.Helper()
	where := &addr{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- provisioner.Run(ctx, func(name string) string { return map[string]string{"NATS_URL": natsURL}[name] },
			slog.New(slog.NewJSONHandler(where, nil)))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	testkit.Eventually(t, 10*time.Second, "it serves", func() bool { return status(where.url("/healthz")) == http.StatusOK })
	return where
}

func status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestProvisioner_WhatIsLostComesBack(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	where := run(t, broker.URL(natsadmin.Provisioner))
	testkit.Eventually(t, 10*time.Second, "it is ready", func() bool { return status(where.url("/readyz")) == http.StatusOK })

	broker.Stop(t)
	testkit.Eventually(t, 20*time.Second, "it reports that the broker is gone", func() bool {
		return status(where.url("/readyz")) == http.StatusServiceUnavailable
	})
	broker.Wipe(t)
	broker.Start(t)
	js, err := jetstream.New(broker.ConnectAs(t, string(events.Payment)))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, "a service finds its consumer again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Consumer(ctx, events.Stream, string(events.Payment))
		return err == nil
	})
	testkit.Eventually(t, 10*time.Second, "it is ready again", func() bool { return status(where.url("/readyz")) == http.StatusOK })
}

// metrics are the lines about the oldest events, by consumer.
func metrics(t *testing.T, where *addr) map[string]float64 {
	t.Helper()
	response, err := http.Get(where.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	found := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if rest, is := strings.CutPrefix(lines.Text(), `stream_unacknowledged_seconds{consumer="`); is {
			consumer, value, _ := strings.Cut(rest, `"} `)
			if found[consumer], err = strconv.ParseFloat(value, 64); err != nil {
				t.Error(err)
			}
		}
	}
	return found
}

// The service is away; nobody but the broker and the provisioner can know how long its events have been waiting.
func TestProvisioner_MeasuresTheOldestEventThatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	where := run(t, broker.URL(natsadmin.Provisioner))
	testkit.Eventually(t, 10*time.Second, "it is ready", func() bool { return status(where.url("/readyz")) == http.StatusOK })
	for _, service := range events.Consumers {
		if age, is := metrics(t, where)[string(service)]; !is || age != 0 {
			t.Errorf("%s: %v, %v", service, age, is)
		}
	}
	js, err := jetstream.New(broker.ConnectAs(t, string(events.Order)))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(event events.Event) {
		if _, err := js.Publish(t.Context(), event.Type().SubjectOf(event.Order()), nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(events.OrderConfirmed{Subject: events.Subject{OrderID: "1"}}) // nobody consumes it
	before := time.Now()
	publish(events.OrderCancelRequested{Subject: events.Subject{OrderID: "1"}})
	publish(events.OrderCancelled{Subject: events.Subject{OrderID: "1"}})
	testkit.Eventually(t, 10*time.Second, "the event gets old", func() bool { return metrics(t, where)["shipping"] > 0.2 })
	found := metrics(t, where)
	most := time.Since(before).Seconds()
	if found["notification"] == 0 || found["inventory"] != 0 || found["shipping"] > most {
		t.Errorf("after %v s: %v", most, found)
	}

	shipping, err := jetstream.New(broker.ConnectAs(t, string(events.Shipping)))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := shipping.Consumer(t.Context(), events.Stream, string(events.Shipping))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	if metrics(t, where)["shipping"] == 0 {
		t.Error("it is delivered and not acknowledged, and is not counted any more")
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, "nothing waits for shipping", func() bool { return metrics(t, where)["shipping"] == 0 })
}

func TestProvisioner_ItWaitsForABroker(t *testing.T) {
	t.Parallel()
	where := run(t, "nats://provisioner:x@127.0.0.1:1")
	if got := status(where.url("/readyz")); got != http.StatusServiceUnavailable {
		t.Errorf("without a broker it answers %d", got)
	}
	if got := status(where.url("/elsewhere")); got != http.StatusNotFound {
		t.Errorf("an unknown address is a %d", got)
	}
}

// A misspelt type would be translated and consumed by nobody; it is found out at the start.
func TestProvisioner_RefusesATypeThatNoServiceConsumes(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"OrderCreated":               "is not saga.<service>.<event>.v<major>",
		"saga.order.OrderCreated.v3": "no service consumes saga.order.OrderCreated.v3",
		"saga.order.OrderCreated.v2, saga.order.OrderConfirmed.v1": "no service consumes saga.order.OrderConfirmed.v1",
	} {
		env := map[string]string{"NATS_URL": "nats://provisioner:x@127.0.0.1:1", "TRANSLATED": list}
		err := provisioner.Run(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "TRANSLATED") {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
	}
}
