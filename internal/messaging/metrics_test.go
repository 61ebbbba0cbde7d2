package messaging

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/pkg/outbox"
)

func TestSteps_MeasuringOneAllocatesNothing(t *testing.T) {
	observe := steps(prometheus.NewRegistry())
	d := outbox.Delivery{Received: outbox.Received{Type: "OrderCreated v2"}, Since: time.Now()}
	if n := testing.AllocsPerRun(100, func() { observe(d) }); n > 0 {
		t.Errorf("it allocates %v times", n)
	}
}
