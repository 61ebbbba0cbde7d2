// Package failover takes the database server away from a running system, and promotes its standby.
package failover

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

func TestFailover_ServicesGoToTheStandby(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fails func(context.Context, *localservers.Postgres) error
		// limit is from the promotion until what was begun and what is new has ended: three times what is wanted, since
		// the machine may be busy.
		limit time.Duration
	}{
		{"the primary is killed", func(_ context.Context, p *localservers.Postgres) error { return p.Signal(syscall.SIGKILL) }, 15 * time.Second},
		{"the primary hangs", func(ctx context.Context, p *localservers.Postgres) error { return p.Freeze(ctx) }, 45 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pair := kit.StartPair(t)
			s := pair.Start(t)
			for range 5 {
				s.Ends(t, s.Place(t, client.One("widget", 1)))
			}
			begun := make([]string, 5)
			for i := range begun {
				begun[i] = s.Place(t, client.One("widget", 1))
			}
			kit.Must(t, test.fails(t.Context(), pair.Primary))
			for _, service := range events.Consumers {
				kit.Eventually(t, string(service)+" to be not ready", func() error {
					return isReady(t, s, service, http.StatusServiceUnavailable)
				})
			}
			kit.Must(t, pair.Standby.Promote(t.Context()))
			promoted := time.Now()
			for _, id := range append(begun, s.Place(t, client.One("widget", 1))) {
				s.Ends(t, id)
			}
			for _, service := range events.Consumers {
				kit.Eventually(t, string(service)+" to be ready", func() error { return isReady(t, s, service, http.StatusOK) })
			}
			took := time.Since(promoted)
			t.Logf("all works %v after the promotion", took)
			if took > test.limit {
				t.Errorf("it took %v until all worked, which is more than %v", took, test.limit)
			}
			s.Holds(t)
		})
	}
}

// isReady asks a service whether it is, which it must answer soon.
func isReady(t *testing.T, s *kit.System, service events.Service, want int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.At.URLs[string(service)]+"/readyz", http.NoBody)
	kit.Must(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		reason, _ := io.ReadAll(response.Body)
		return fmt.Errorf("it answers %d: %s", response.StatusCode, reason)
	}
	return nil
}
