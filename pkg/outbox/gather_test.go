package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A batch waits until it is as large as the one before it, and not for ever. One event after a single one does not wait.
func TestInbox_ABatchWaitsForAsManyAsTheLastOneHad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last, waiting, later int // later ones come after a millisecond
		want                 int
		took                 time.Duration
	}{
		"alone after one":            {last: 1, want: 1},
		"at the start":               {last: 0, want: 1},
		"all are there":              {last: 3, waiting: 5, want: 6},
		"the last ones come later":   {last: 4, waiting: 1, later: 2, want: 4, took: time.Millisecond},
		"fewer come than last time":  {last: 8, waiting: 1, later: 2, want: 4, took: linger},
		"more are there than fit in": {last: 1, waiting: 2 * maxBatch, want: maxBatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				arrived := make(chan jetstream.Msg, 2*maxBatch)
				for range test.waiting {
					arrived <- nil
				}
				if test.later > 0 {
					go func() {
						<-time.After(time.Millisecond)
						for range test.later {
							arrived <- nil
						}
					}()
				}
				began := time.Now()
				if got := len(gather(t.Context(), nil, arrived, test.last)); got != test.want || time.Since(began) != test.took {
					t.Errorf("%d events after %v, want %d after %v", got, time.Since(began), test.want, test.took)
				}
			})
		})
	}
}
