// Package provisioner sees to it that the broker has the stream and the consumers that the services need,
// with their settings: at the start, and again whenever they are gone. Its login is the only one that may
// create them, so no service can bend what all of them share.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/pkg/problem"
)

// every is how often it looks. A lost stream or consumer stops orders until it has been seen, and a look
// that finds everything in place is three small requests.
const every = time.Second

// patience is how long a look may take. A broker that ends takes the question with it, and nobody will answer.
const patience = 2 * time.Second

// Run provisions until ctx ends. The environment has NATS_URL, with the provisioner's login, HTTP_ADDR for health
// and metrics, and TRANSLATED: types of events, separated by commas, that the translator is given instead of the
// services.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	translated, err := typesOf(getenv("TRANSLATED"))
	if err != nil {
		return fmt.Errorf("TRANSLATED: %w", err)
	}
	nc, err := natsadmin.Connect(httpserver.Env(getenv, "NATS_URL", "nats://"+natsadmin.Provisioner+"@127.0.0.1:4222"),
		natsadmin.Provisioner, log)
	if err != nil {
		return err
	}
	defer natsadmin.Close(nc)
	p, err := newProvisioner(nc, translated)
	if err != nil {
		return err
	}
	server, err := httpserver.Listen(ctx, httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), p.routes())
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "addr", server.Addr)
	err = httpserver.Serve(ctx, []*httpserver.Server{server}, loop.New("provision", log, every, nil, p.runOnce))
	log.InfoContext(ctx, "ended")
	return err
}

// typesOf reads types of events, separated by commas. One that no service consumes is a mistake.
func typesOf(list string) (types []events.Type, err error) {
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		typ, err := events.ParseType(text)
		if err != nil {
			return nil, err
		}
		if !consumed(typ) {
			return nil, fmt.Errorf("no service consumes %s, so nobody could need a translation of it", typ)
		}
		types = append(types, typ)
	}
	return types, nil
}

func consumed(typ events.Type) bool {
	for _, service := range events.Consumers {
		if slices.Contains(events.Subscriptions[service], typ) {
			return true
		}
	}
	return false
}

type provisioner struct {
	js         jetstream.JetStream
	translated []events.Type
	state      atomic.Pointer[error] // how the last look ended; nil: there was none yet
	looks      *prometheus.CounterVec
	metrics    *prometheus.Registry
}

func newProvisioner(nc *nats.Conn, translated []events.Type) (*provisioner, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	p := &provisioner{js: js, translated: translated, metrics: httpserver.Metrics(),
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "provisioner_looks_total", Help: "How often stream and consumers were looked at, by how it ended.",
		}, []string{"outcome"})}
	p.metrics.MustRegister(p.looks, unacknowledged{js, p.consumers()})
	return p, nil
}

// consumers are the durables that it keeps.
func (p *provisioner) consumers() (names []string) {
	for _, service := range events.Consumers {
		names = append(names, string(service))
	}
	if len(p.translated) > 0 {
		names = append(names, natsadmin.Translator)
	}
	return names
}

// unacknowledged measures when it is asked for metrics. It stands here and not in the services: one that is away is the
// one whose events get old, and the stream keeps none for longer than a day.
type unacknowledged struct {
	js        jetstream.JetStream
	consumers []string
}

var unacknowledgedSeconds = prometheus.NewDesc("stream_unacknowledged_seconds",
	"For how long the oldest event that a consumer has not acknowledged has been in the stream; 0 when there is none.",
	[]string{"consumer"}, nil)

// Describe implements [prometheus.Collector].
func (unacknowledged) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- unacknowledgedSeconds
}

// Collect implements [prometheus.Collector]. A consumer about which the broker does not answer has no value.
func (u unacknowledged) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, consumer := range u.consumers {
		oldest, err := natsadmin.Oldest(ctx, u.js, consumer)
		if err != nil {
			continue
		}
		seconds := 0.0
		if !oldest.IsZero() {
			seconds = time.Since(oldest).Seconds()
		}
		metrics <- prometheus.MustNewConstMetric(unacknowledgedSeconds, prometheus.GaugeValue, seconds, consumer)
	}
}

// runOnce ensures that everything is there.
func (p *provisioner) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := natsadmin.Provision(ctx, p.js, p.translated...)
	p.state.Store(&err)
	if err != nil {
		p.looks.WithLabelValues("failed").Inc()
		return err
	}
	p.looks.WithLabelValues("ok").Inc()
	return nil
}

// ready is nil when the last look found everything in place, or put it there.
func (p *provisioner) ready() error {
	last := p.state.Load()
	if last == nil {
		return errors.New("the broker was not looked at yet")
	}
	return *last
}

func (p *provisioner) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := p.ready(); err != nil {
			problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "stream and consumers are not in place"))
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
	})
	return mux
}
