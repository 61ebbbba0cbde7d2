// Package ambassador is the proxy that stands beside payment and speaks with the card gateway for it.
// Payment makes one simple local call; finding an endpoint that works, keeping connections, giving up in time,
// asking again and leaving a sick endpoint alone happen here, for every client alike and outside of its code.
//
// Asking again is the dangerous part. A request whose answer was lost may have been carried out, so it is
// sent again only when that cannot do it twice: when its method is safe, or when it carries an
// Idempotency-Key. Without one, a client that is charged twice has its proxy to thank.
package ambassador

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/loop"
)

// Config is what an ambassador is told from outside.
type Config struct {
	Addr       string   // HTTP_ADDR: where payment calls
	AdminAddr  string   // ADMIN_ADDR: state of the breakers; empty: there is none
	AdminToken string   // ADMIN_TOKEN
	Gateways   []string // GATEWAY_URLS: endpoints by URL
	GatewayDNS string   // GATEWAY_DNS: a name and a port whose addresses are endpoints, looked up again and again

	TryTimeout     time.Duration // TRY_TIMEOUT: how long one try may take
	MaxRetries     int           // MAX_RETRIES: how many more tries a request gets
	RetryRatio     float64       // RETRY_RATIO: how many retries there may be for each request
	RetryReserve   float64       // RETRY_RESERVE: how many more at once, when things begin to go wrong
	HealthInterval time.Duration // HEALTH_INTERVAL: how often endpoints are asked how they are
	DNSInterval    time.Duration // DNS_INTERVAL: how often the name is looked up
	BreakerDelay   time.Duration // BREAKER_DELAY: how long a sick endpoint is left alone
}

// FromEnv reads the configuration.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{
		Addr:       httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"),
		AdminAddr:  getenv("ADMIN_ADDR"),
		AdminToken: getenv("ADMIN_TOKEN"),
		GatewayDNS: getenv("GATEWAY_DNS"),
	}
	var problems []error
	duration := func(key string, fallback time.Duration) time.Duration {
		d, err := httpserver.Duration(getenv, key, fallback)
		problems = append(problems, err)
		return d
	}
	c.TryTimeout = duration("TRY_TIMEOUT", 2*time.Second)
	c.HealthInterval = duration("HEALTH_INTERVAL", time.Second)
	c.DNSInterval = duration("DNS_INTERVAL", 5*time.Second)
	c.BreakerDelay = duration("BREAKER_DELAY", 2*time.Second)

	var err error
	if c.MaxRetries, err = strconv.Atoi(httpserver.Env(getenv, "MAX_RETRIES", "2")); err != nil || c.MaxRetries < 0 {
		problems = append(problems, errors.New("MAX_RETRIES must be a number from 0"))
	}
	if c.RetryRatio, err = strconv.ParseFloat(httpserver.Env(getenv, "RETRY_RATIO", "0.2"), 64); err != nil ||
		c.RetryRatio < 0 || c.RetryRatio > 1 {
		problems = append(problems, errors.New("RETRY_RATIO must be a number from 0 to 1"))
	}
	if c.RetryReserve, err = strconv.ParseFloat(httpserver.Env(getenv, "RETRY_RESERVE", "100"), 64); err != nil ||
		c.RetryReserve < 1 {
		problems = append(problems, errors.New("RETRY_RESERVE must be a number from 1"))
	}
	c.Gateways, err = gateways(getenv("GATEWAY_URLS"))
	problems = append(problems, err)
	if len(c.Gateways) == 0 && c.GatewayDNS == "" {
		problems = append(problems, errors.New("GATEWAY_URLS or GATEWAY_DNS must say where the gateway is"))
	}
	if c.AdminAddr != "" && c.AdminToken == "" {
		problems = append(problems, errors.New("ADMIN_ADDR needs an ADMIN_TOKEN"))
	}
	return c, errors.Join(problems...)
}

// gateways reads a comma list of base URLs.
func gateways(list string) ([]string, error) {
	var found []string
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("GATEWAY_URLS must be URLs such as http://gateway:8080, not %q", text)
		}
		found = append(found, u.Scheme+"://"+u.Host)
	}
	return found, nil
}

// Ambassador is an ambassador whose listeners are open.
type Ambassador struct {
	Addr      string // where it takes requests
	AdminAddr string // where it tells about its endpoints; empty when nowhere

	pool      *pool
	transport *transport
	discovery *discovery
	config    Config
	log       *slog.Logger
	metrics   *prometheus.Registry
	seconds   *prometheus.HistogramVec
	servers   []*httpserver.Server
}

// Open listens. Endpoints need not be there yet.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Ambassador, error) {
	a := &Ambassador{config: c, log: log, metrics: httpserver.Metrics()}
	a.pool = newPool(c.BreakerDelay, log)
	a.transport = newTransport(c, a.pool)
	a.discovery = newDiscovery(c, a.pool, log)
	a.discovery.update(nil)
	a.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "ambassador_request_seconds", Help: "Requests by what the client got, with all tries.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	}, []string{"method", "status"})
	a.metrics.MustRegister(a.pool, a.transport, a.seconds)

	public, err := httpserver.Listen(ctx, c.Addr, a.routes())
	if err != nil {
		return nil, err
	}
	a.servers, a.Addr = []*httpserver.Server{public}, public.Addr
	if c.AdminAddr == "" {
		return a, nil
	}
	admin, err := httpserver.Listen(ctx, c.AdminAddr, httpserver.Authorized(c.AdminToken, a.adminRoutes()))
	if err != nil {
		httpserver.Close(public)
		return nil, err
	}
	a.servers, a.AdminAddr = append(a.servers, admin), admin.Addr
	return a, nil
}

// Serve proxies until ctx ends, then lets what has begun finish.
func (a *Ambassador) Serve(ctx context.Context) error {
	a.log.InfoContext(ctx, "serving", "addr", a.Addr, "admin_addr", a.AdminAddr)
	health := loop.New("health", a.log, a.config.HealthInterval, nil, a.checkAll)
	names := loop.New("discovery", a.log, a.config.DNSInterval, nil, a.discovery.lookUp)
	err := httpserver.Serve(ctx, a.servers, health, names)
	a.transport.base.CloseIdleConnections()
	a.log.InfoContext(ctx, "ended")
	return err
}

// Run is the whole process: environment, listeners, until ctx ends.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	c, err := FromEnv(getenv)
	if err != nil {
		return err
	}
	a, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	return a.Serve(ctx)
}

// checkAll asks every endpoint how it is. The answer decides who is asked first, and nothing else: when all
// seem sick, they are tried all the same.
func (a *Ambassador) checkAll(ctx context.Context) error {
	a.pool.each(ctx, func(ctx context.Context, e *endpoint) {
		e.noteHealth(ctx, a.log, a.transport.healthy(ctx, e))
	})
	return nil
}

// healthy asks one endpoint how it is.
func (t *transport) healthy(ctx context.Context, e *endpoint) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url.String()+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
