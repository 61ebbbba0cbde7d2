// Package translator stands between a publisher of the second version of an event and consumers that handle the first
// one alone: it consumes OrderCreated v2 and publishes OrderCreated v1 on the subject of that version. The consumers
// are not changed, not restarted, and do not know of it.
//
// # Exactly once in effect, without a database
//
// A message is published first and acknowledged afterwards, so nothing is lost, whenever the process dies. It may be
// published twice without effect: a translation is a pure function, and its event's id is derived from the original's.
// The stream recognises the duplicate within its window, the consumers' inboxes at any time.
//
// A service's outbox republishes what the broker has lost after it had acknowledged it: its disk is up to a second
// behind. There is no outbox here. Therefore the original is acknowledged only when its translation is surely on the
// disk ([natsadmin.OnDisk]): what a power loss takes is redelivered and translated again.
//
// # No loops
//
// Its login may publish the one version and its consumer gets the other, so it cannot consume its own events. And the
// provisioner gives a translated version to the translator alone, so an event takes one way.
//
// # What cannot be translated
//
// An order in two currencies has no first version. Such a message, and one that cannot be decoded, is refused with an
// error in the log and in translator_messages_total. It stays in the stream; the order service cancels the order at its
// deadline.
package translator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/pkg/problem"
)

// again is the pause before the consumer is opened anew when it was lost.
const again = 250 * time.Millisecond

// Run translates until ctx ends. The environment has NATS_URL, with the translator's login, and HTTP_ADDR for
// health and metrics.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	broker := httpserver.Env(getenv, "NATS_URL", "nats://"+natsadmin.Translator+"@127.0.0.1:4222")
	nc, err := natsadmin.Connect(broker, natsadmin.Translator, log)
	if err != nil {
		return err
	}
	defer natsadmin.Close(nc)
	t, err := newTranslator(nc, log)
	if err != nil {
		return err
	}
	server, err := httpserver.Listen(ctx, httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), t.routes())
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "addr", server.Addr)
	err = httpserver.Serve(ctx, []*httpserver.Server{server}, loop.New("translate", log, again, nil, t.consume),
		t.acknowledge)
	// Acknowledgements are only written to a buffer; what goes with it is translated again, to no effect.
	if flushing := nc.FlushTimeout(time.Second); flushing != nil {
		log.WarnContext(ctx, "acknowledgements may be lost", "error", flushing)
	}
	log.InfoContext(ctx, "ended")
	return err
}

type translator struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	log      *slog.Logger
	open     atomic.Bool   // the consumer is there
	settling chan settling // in the order in which they were published
	metrics  *prometheus.Registry
	messages *prometheus.CounterVec
}

func newTranslator(nc *nats.Conn, log *slog.Logger) (*translator, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	t := &translator{nc: nc, js: js, log: log, settling: make(chan settling, unsettled), metrics: httpserver.Metrics()}
	t.messages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "translator_messages_total", Help: "Messages by what became of them: translated, repeated, refused, postponed.",
	}, []string{"outcome"})
	t.metrics.MustRegister(t.messages)
	return t, nil
}

// ready is nil while messages are consumed.
func (t *translator) ready() error {
	switch {
	case t.nc.Status() != nats.CONNECTED:
		return errors.New("the broker is not connected")
	case !t.open.Load():
		return errors.New("the broker has no consumer for the translator; set TRANSLATED at the provisioner")
	}
	return nil
}

func (t *translator) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := t.ready(); err != nil {
			problem.Write(w, r, problem.New(http.StatusServiceUnavailable, err.Error()))
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
	})
	return mux
}
