// Package expose shows metrics at /metrics in Prometheus' format, with the labels service and instance. It is an
// exporter of the OpenTelemetry collector, in the place of the one for Prometheus, which links the clients of clouds.
package expose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Config is the exporter's part of the configuration.
type Config struct {
	// Endpoint is where /metrics answers, such as 127.0.0.1:8889.
	Endpoint string `mapstructure:"endpoint"`
	// Expiration is how long a metric that no longer comes is shown.
	Expiration time.Duration `mapstructure:"expiration"`
}

// Validate returns an error that names what is wrong.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Endpoint); err != nil {
		return fmt.Errorf("endpoint must be an address such as 127.0.0.1:8889: %w", err)
	}
	if c.Expiration <= 0 {
		return fmt.Errorf("expiration must be positive, not %s", c.Expiration)
	}
	return nil
}

// NewFactory makes exporters of the type prometheus_text.
func NewFactory() exporter.Factory {
	defaults := func() component.Config { return &Config{Endpoint: "127.0.0.1:8889", Expiration: 30 * time.Second} }
	return exporter.NewFactory(component.MustNewType("prometheus_text"), defaults,
		exporter.WithMetrics(newExporter, component.StabilityLevelDevelopment))
}

func newExporter(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Metrics, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("a configuration of the type %T", config)
	}
	s := &shown{config: *c, families: map[string]family{}}
	return exporterhelper.NewMetrics(ctx, set, config, s.take,
		exporterhelper.WithStart(s.start), exporterhelper.WithShutdown(s.shutdown))
}

// shown is what /metrics shows: each metric as it came last.
type shown struct {
	config Config
	server *http.Server
	ended  chan struct{} // closed when the server has ended

	mu       sync.Mutex
	families map[string]family
}

type family struct {
	*dto.MetricFamily

	came time.Time
}

func (s *shown) start(ctx context.Context, _ component.Host) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Endpoint)
	if err != nil {
		return fmt.Errorf("show the metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.GathererFunc(s.gather), promhttp.HandlerOpts{}))
	s.server, s.ended = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener) // it ends with the shutdown
	}()
	return nil
}

func (s *shown) shutdown(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	<-s.ended
	return err
}

// take keeps each metric in place of what came of it before.
func (s *shown) take(_ context.Context, metrics pmetric.Metrics) error {
	now := time.Now()
	var problems []error
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range metrics.ResourceMetrics().All() {
		labels := identity(resource.Resource().Attributes())
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				f, err := convert(metric, labels)
				if err != nil {
					problems = append(problems, err)
					continue
				}
				s.families[f.GetName()] = family{f, now}
			}
		}
	}
	return errors.Join(problems...)
}

// gather implements [prometheus.Gatherer].
func (s *shown) gather() ([]*dto.MetricFamily, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*dto.MetricFamily
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		if f := s.families[name]; time.Since(f.came) < s.config.Expiration {
			all = append(all, f.MetricFamily)
		} else {
			delete(s.families, name)
		}
	}
	return all, nil
}
