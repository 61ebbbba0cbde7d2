// Package registry keeps every version of the events' schemas, and refuses one that would break whoever reads or
// has written what is there already. Its HTTP interface has the paths, the bodies and the codes of Confluent's
// schema registry (https://docs.confluent.io/platform/current/schema-registry/develop/api.html), so that tools
// which know that one know this one.
//
// # Where it keeps them
//
// In a bucket of the broker's key-value store, and nowhere else: a process holds nothing, any number of them may
// run, and a killed one has forgotten nothing. Three kinds of entries (bucket.go):
//
//	schemas.<id>         a schema, its text and references   created once, never changed
//	texts.<hash>         the id of the schema with this hash created once, never changed
//	subjects.<subject>   the ids of a subject's versions     changed by compare-and-set alone
//	modes.<subject>      a compatibility mode; modes. alone is the one of all the others
//
// Two processes that register at the same moment both write what they have seen plus their own, and the store
// takes one of them. The other looks again, and that includes the verdict: its schema was compatible with what it
// had seen, and may not be with what has come since.
//
// # What it decides
//
// Package schema compares. What it cannot judge is refused like what is incompatible, with the reason: a gate that
// lets through what it does not understand is none. A subject is FULL_TRANSITIVE unless it is configured otherwise:
// the events of this saga are read by consumers that are older than their publisher (a rolling upgrade) and by others
// that are newer (the stream, an outbox and dead letters store what older publishers have published), and each
// validates with its own copy of the schema. Any other change is a new major version, a subject of its own.
//
// A version can be deleted unless another schema refers to it. It keeps its number and its schema the id, and what
// was published by it can be read again at any time: GET /schemas/ids/{id} still has the text.
package registry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/natsadmin"
)

// timeout is how long the broker may take to answer.
const timeout = 2 * time.Second

// Run answers until ctx ends. The environment has NATS_URL, with the registry's login, and HTTP_ADDR.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	broker := httpserver.Env(getenv, "NATS_URL", "nats://"+natsadmin.Registry+"@127.0.0.1:4222")
	nc, err := natsadmin.Connect(broker, natsadmin.Registry, log)
	if err != nil {
		return err
	}
	defer natsadmin.Close(nc)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(timeout))
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	r := &registry{bucket: bucket{js: js}, log: log, metrics: httpserver.Metrics()}
	r.counts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "registry_answers_total",
		Help: "Answers by what was asked and the code of the answer: 200, or that of the error.",
	}, []string{"asked", "code"})
	r.metrics.MustRegister(r.counts)
	server, err := httpserver.Listen(ctx, httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), r.routes())
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "addr", server.Addr)
	err = httpserver.Serve(ctx, []*httpserver.Server{server})
	log.InfoContext(ctx, "ended")
	return err
}

// registry answers.
type registry struct {
	bucket  bucket
	log     *slog.Logger
	metrics *prometheus.Registry
	counts  *prometheus.CounterVec
	turns   sync.Mutex
	last    int // the last id that was given here: a hint where to look for a free one
}
