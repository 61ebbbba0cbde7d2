// Package scrape reads a process' /metrics in Prometheus' text format. It is a receiver of the OpenTelemetry collector,
// in the place of the collector's own one for Prometheus, which brings the service discovery of every cloud along.
package scrape

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"
)

// Config is the receiver's part of the configuration.
type Config struct {
	scraperhelper.ControllerConfig `mapstructure:",squash"`

	// Endpoint is the URL to read, such as http://127.0.0.1:8080/metrics.
	Endpoint string `mapstructure:"endpoint"`
	// Up is the name of a gauge that is 1 when the last scrape got the metrics, and 0 when it did not; empty: none.
	Up string `mapstructure:"up"`
}

// Validate returns an error that names what is wrong.
func (c *Config) Validate() error {
	if u, err := url.Parse(c.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("endpoint must be a URL such as http://127.0.0.1:8080/metrics, not %q", c.Endpoint)
	}
	return nil
}

// NewFactory makes receivers of the type prometheus_text.
func NewFactory() receiver.Factory {
	defaults := func() component.Config {
		return &Config{ControllerConfig: scraperhelper.ControllerConfig{
			CollectionInterval: 5 * time.Second, Timeout: 2 * time.Second,
		}}
	}
	return receiver.NewFactory(component.MustNewType("prometheus_text"), defaults,
		receiver.WithMetrics(newReceiver, component.StabilityLevelDevelopment))
}

func newReceiver(_ context.Context, set receiver.Settings, config component.Config,
	next consumer.Metrics) (receiver.Metrics, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("a configuration of the type %T", config)
	}
	r := &reader{url: c.Endpoint, up: c.Up, log: set.Logger}
	read, err := scraper.NewMetrics(r.scrape)
	if err != nil {
		return nil, fmt.Errorf("make the scraper: %w", err)
	}
	return scraperhelper.NewMetricsController(&c.ControllerConfig, set, next,
		scraperhelper.AddMetricsScraper(component.MustNewType("prometheus_text"), read))
}

type reader struct {
	url  string
	up   string
	log  *zap.Logger
	down bool
}

// scrape reads all metrics. A service that does not answer is no error of the sidecar's: its gauge shows it.
func (r *reader) scrape(ctx context.Context) (pmetric.Metrics, error) {
	all := pmetric.NewMetrics()
	metrics := all.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	families, err := r.get(ctx)
	if down := err != nil; down != r.down {
		r.down = down
		r.log.Info("the service's metrics", zap.Bool("answer", !down), zap.Error(err))
	}
	for _, family := range families {
		add(metrics, family, time.Now())
	}
	if r.up != "" {
		addUp(metrics.AppendEmpty(), r.up, err == nil)
	}
	return all, nil
}

func (r *reader) get(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", r.url, err)
	}
	request.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: it answers %s", r.url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", r.url, err)
	}
	return families, nil
}

func addUp(metric pmetric.Metric, name string, up bool) {
	metric.SetName(name)
	metric.SetDescription("1 when the last scrape got the metrics, 0 when it did not.")
	point := metric.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	if up {
		point.SetDoubleValue(1)
	}
}
