package ambassador

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/tracing"
)

// AttemptsHeader says in every answer how many requests it took: how often the gateway may have got it.
const AttemptsHeader = "Ambassador-Attempts"

var (
	errNoEndpoint = errors.New("no endpoint may be asked now")
	errTryTimeout = errors.New("no endpoint answered in time")
	errNoBudget   = errors.New("too much of what is going on are retries already")
)

// transport carries a request to the gateway, with as many tries as it may have.
type transport struct {
	pool       *pool
	base       *http.Transport
	traced     http.RoundTripper // the same, with a span for each try
	tryTimeout time.Duration
	retrying   failsafe.Executor[*http.Response]
	budget     *budget

	tries    *prometheus.CounterVec
	retries  prometheus.Counter
	exceeded prometheus.Counter
}

func newTransport(c Config, p *pool) *transport {
	t := &transport{
		pool:       p,
		tryTimeout: c.TryTimeout,
		retrying:   failsafe.With(retryPolicy(c)),
		budget:     newBudget(c.RetryRatio, c.RetryReserve),
		base: &http.Transport{
			// Go keeps two idle connections a host unless told: under load nearly every request would open its own.
			MaxIdleConnsPerHost: 256,
			MaxConnsPerHost:     512,
			IdleConnTimeout:     30 * time.Second, // before the gateway closes its end after 60 s
			DisableCompression:  true,             // bytes pass as they are
		},
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ambassador_tries_total", Help: "Tries by endpoint and outcome: a status, or error.",
		}, []string{"endpoint", "outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "ambassador_retries_total",
			Help: "Tries beyond a request's first."}),
		exceeded: prometheus.NewCounter(prometheus.CounterOpts{Name: "ambassador_retry_budget_exceeded_total",
			Help: "Retries that the budget did not allow."}),
	}
	t.traced = tracing.Client(t.base)
	return t
}

// retryPolicy asks again with a growing, jittered pause.
func retryPolicy(c Config) failsafe.Policy[*http.Response] {
	return retrypolicy.NewBuilder[*http.Response]().
		HandleIf(func(response *http.Response, err error) bool { return !good(response, err) }).
		AbortOnErrors(context.Canceled, errNoEndpoint, errNoBudget).
		WithMaxRetries(c.MaxRetries).
		WithBackoff(50*time.Millisecond, 500*time.Millisecond).
		WithJitterFactor(0.5).
		ReturnLastFailure().
		Build()
}

// good is whether a try is over. 409 and 429 are answers too: somebody is there and says when to come
// back, which is for the client to heed.
func good(response *http.Response, err error) bool {
	return err == nil && (response.StatusCode < 500 || response.StatusCode == http.StatusNotImplemented)
}

// mayRetry is whether sending a request twice is sure not to do it twice.
func mayRetry(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// call is one request on its way.
type call struct {
	*transport
	request *http.Request
	body    []byte // kept, so that it can be sent again
	tried   []*endpoint
	sent    int // how many requests the gateway may have got: at least one a try
	// How the last try ended, for when the budget ends the call and not the try.
	last    *http.Response
	lastErr error
}

// failure is why there is no answer, after how many tries.
type failure struct {
	cause    error
	attempts int
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

// RoundTrip sends a request until there is an answer, or no try is left.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, &failure{err, 0}
		}
	}
	t.budget.earn()
	c := &call{transport: t, request: r, body: body}
	var response *http.Response
	var err error
	if mayRetry(r) {
		response,
			err = t.retrying.WithContext(r.Context()).GetWithExecution(func(failsafe.Execution[*http.Response]) (*http.Response,
			error) {
			return c.try()
		})
	} else {
		response, err = c.try()
	}
	if errors.Is(err, errNoBudget) {
		response, err = c.last, c.lastErr
	}
	if err != nil {
		return nil, &failure{err, c.sent}
	}
	response.Header.Set(AttemptsHeader, strconv.Itoa(c.sent))
	return response, nil
}

// try sends the request to one endpoint and tells its breaker how that went.
func (c *call) try() (*http.Response, error) {
	if len(c.tried) > 0 {
		if !c.budget.spend() {
			c.exceeded.Inc()
			return nil, errNoBudget
		}
		c.retries.Inc()
	}
	e := c.pool.pick(c.tried)
	if e == nil {
		return nil, errNoEndpoint
	}
	c.tried = append(c.tried, e)
	response, sent, err := c.send(c.request, c.body, e)
	c.sent += max(sent, 1)
	if sent > 1 {
		c.retries.Add(float64(sent - 1))
	}
	c.last, c.lastErr = response, err
	e.note(c.request.Context(), good(response, err))
	outcome := "error"
	if err == nil {
		outcome = strconv.Itoa(response.StatusCode)
	}
	c.tries.WithLabelValues(e.url.Host, outcome).Inc()
	return response, err
}
