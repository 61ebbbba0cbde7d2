package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/problem"
)

// Faults is what is switched on over the admin listener: how many in a hundred requests to /v1 meet what,
// besides what their cards do. The zero value is a gateway in good health. They hold for one process.
type Faults struct {
	RateLimited int `json:"rate_limited"` // 429, nothing done
	ErrorBefore int `json:"error_before"` // 500, nothing done
	ErrorAfter  int `json:"error_after"`  // carried out, then 500
	DropAfter   int `json:"drop_after"`   // carried out, then the connection is dropped
	HangAfter   int `json:"hang_after"`   // carried out, then no answer until the client gives up
	LatencyMS   int `json:"latency_ms"`   // how much longer every request takes
	// RefundRefusals is which new refunds are refused: those of tok_refund_refused ("", "token"), none ("never": the
	// gateway has recovered), or all ("always").
	RefundRefusals string `json:"refund_refusals"`
}

// maxLatency keeps a request well within the in-flight horizon.
const maxLatency = 10_000

func (f Faults) check() error {
	sum := 0
	for _, rate := range []int{f.RateLimited, f.ErrorBefore, f.ErrorAfter, f.DropAfter, f.HangAfter} {
		if rate < 0 || rate > 100 {
			return fmt.Errorf("a rate is a percentage from 0 to 100, not %d", rate)
		}
		sum += rate
	}
	switch {
	case sum > 100:
		return fmt.Errorf("the rates come to %d %%; a request meets one fault at most", sum)
	case f.LatencyMS < 0 || f.LatencyMS > maxLatency:
		return fmt.Errorf("latency_ms is from 0 to %d, not %d", maxLatency, f.LatencyMS)
	}
	switch f.RefundRefusals {
	case "", "token", "never", "always":
		return nil
	}
	return fmt.Errorf("refund_refusals is token, never or always, not %q", f.RefundRefusals)
}

// refuses reports whether a new refund of a charge on this card is refused.
func (f Faults) refuses(token Token) bool {
	switch f.RefundRefusals {
	case "never":
		return false
	case "always":
		return true
	}
	return token.refundRefused
}

// disturb makes requests to /v1 meet the faults that are switched on.
func disturb(faults *atomic.Pointer[Faults], closing <-chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := faults.Load()
		if *f == (Faults{}) || !strings.HasPrefix(r.URL.Path, "/v1/") {
			next.ServeHTTP(w, r)
			return
		}
		if f.LatencyMS > 0 && !pause(r.Context(), time.Duration(f.LatencyMS)*time.Millisecond, closing) {
			panic(http.ErrAbortHandler)
		}
		f.meet(w, r, closing, next)
	})
}

// meet draws one fault, or none. Their rates lie behind each other on a line of a hundred.
func (f Faults) meet(w http.ResponseWriter, r *http.Request, closing <-chan struct{}, next http.Handler) {
	drawn := rand.N(100)
	before := func(rate int) bool { drawn -= rate; return drawn < 0 }
	switch {
	case before(f.RateLimited):
		problem.Write(w, r, &problem.Error{Status: http.StatusTooManyRequests, Detail: "too many requests",
			RetryAfter: time.Second})
	case before(f.ErrorBefore):
		problem.Write(w, r, problem.New(http.StatusInternalServerError, unsure))
	case before(f.ErrorAfter):
		next.ServeHTTP(discarded{http.Header{}}, r)
		problem.Write(w, r, problem.New(http.StatusInternalServerError, unsure))
	case before(f.DropAfter):
		next.ServeHTTP(discarded{http.Header{}}, r)
		panic(http.ErrAbortHandler) // net/http's way to drop a connection
	case before(f.HangAfter):
		next.ServeHTTP(discarded{http.Header{}}, r)
		hang(r.Context(), closing)
	default:
		next.ServeHTTP(w, r)
	}
}

// maxHang ends a hang that a client does not.
const maxHang = 2 * time.Minute

// hang keeps the client waiting until it gives up, and then never answers.
func hang(ctx context.Context, closing <-chan struct{}) {
	pause(ctx, maxHang, closing)
	panic(http.ErrAbortHandler)
}

// pause waits, and reports whether it was for the whole time.
func pause(ctx context.Context, d time.Duration, closing <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-closing:
	}
	return false
}

// discarded takes an answer that is not sent.
type discarded struct{ header http.Header }

func (u discarded) Header() http.Header          { return u.header }
func (discarded) Write(body []byte) (int, error) { return len(body), nil }
func (discarded) WriteHeader(int)                {}

// readFaults reads new settings from a request.
func readFaults(w http.ResponseWriter, r *http.Request) (*Faults, error) {
	var f Faults
	const wanted = "the body is not a JSON object with the fields of GET /faults"
	if err := ijson.ReadBody(w, r, httpserver.MaxBody, &f, wanted); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, problem.New(http.StatusUnprocessableEntity, err.Error())
	}
	return &f, nil
}
