package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// side is one of the two that are compared.
type side struct {
	name      string
	url       string
	databases []string
	await     *endings // nil: an answer is the end
}

// load is how orders come in: so many at a time, each replaced as soon as it has ended (closed loop); or at a
// fixed rate, whatever becomes of those before (open loop), the latency counted from when an order was due.
type load struct {
	inFlight int
	share    float64
	reached  func() float64 // orders a second that the share is of
}

// String is the load in words; it is the same in every repetition.
func (l load) String() string {
	if l.inFlight > 0 {
		return fmt.Sprintf("%d in flight", l.inFlight)
	}
	return fmt.Sprintf("open loop at %.0f %%", l.share*100)
}

// warmUp fills pools and caches; nothing in it counts.
const warmUp = 2 * time.Second

// patience is how long an order may take before the run is called broken.
const patience = 30 * time.Second

// run is one run of one side under one load.
type run struct {
	side   *side
	client *http.Client

	mu        sync.Mutex
	counting  bool
	accepted  *hdrhistogram.Histogram // µs
	completed *hdrhistogram.Histogram
	done      int
}

func newRun(s *side) *run {
	return &run{
		side: s,
		client: &http.Client{Timeout: patience, Transport: &http.Transport{
			MaxIdleConnsPerHost: 1024, MaxConnsPerHost: 1024, // no order waits for a connection
		}},
		accepted:  hdrhistogram.New(1, patience.Microseconds(), 3),
		completed: hdrhistogram.New(1, patience.Microseconds(), 3),
	}
}

// closed keeps n orders in flight until ctx ends.
func (r *run) closed(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for range n {
		group.Go(func() error {
			for ctx.Err() == nil {
				if err := r.one(ctx, time.Now()); err != nil && ctx.Err() == nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// open places orders at a rate until ctx ends, and waits for the last ones.
func (r *run) open(ctx context.Context, rate float64) error {
	group, running := errgroup.WithContext(context.WithoutCancel(ctx))
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-running.Done():
			return group.Wait()
		case <-time.After(time.Until(due)):
			group.Go(func() error { return r.one(running, due) })
		}
	}
}

// one places an order and waits for the end of its saga.
func (r *run) one(ctx context.Context, due time.Time) error {
	id, err := r.place(ctx)
	if err != nil {
		return err
	}
	accepted := time.Since(due)
	if r.side.await != nil {
		if err := r.side.await.end(ctx, id); err != nil {
			return err
		}
	}
	r.count(accepted, time.Since(due))
	return nil
}

func (r *run) count(accepted, completed time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.counting {
		return
	}
	r.done++
	_ = r.accepted.RecordValue(accepted.Microseconds()) // beyond patience nothing comes
	_ = r.completed.RecordValue(completed.Microseconds())
}

// begin and end bound what counts.
func (r *run) begin() { r.mu.Lock(); r.counting = true; r.mu.Unlock() }
func (r *run) end()   { r.mu.Lock(); r.counting = false; r.mu.Unlock() }

// skus spread the orders a little: with one alone, every order would wait for the same row.
var skus = []string{"widget", "gadget", "gizmo"}

func (r *run) place(ctx context.Context) (string, error) {
	body := fmt.Sprintf(`{"customer_id":"bench","items":[{"sku":%q,"quantity":1}],"payment_method":"tok_visa",`+
		`"ship_to":{"name":"Ada Lovelace","street":"Chausseestr. 1","city":"Berlin","postal_code":"10115","country":"DE"}}`,
		skus[rand.IntN(len(skus))])
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.side.url+"/v1/orders", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", uuid.NewString())
	response, err := r.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("place an order: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("place an order: %w", err)
	}
	if response.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("place an order: %s: %s", response.Status, bytes.TrimSpace(answer))
	}
	var order struct {
		ID string `json:"id"`
	}
	return order.ID, json.Unmarshal(answer, &order)
}
