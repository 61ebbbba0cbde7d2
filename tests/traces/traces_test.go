// Package traces tests what the processes record of an order, as a collector gets it.
package traces

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/tests/kit"
)

func start(t *testing.T, o supervisor.Options) (*kit.System, *kit.Spans) {
	t.Helper()
	spans := kit.Collect(t)
	o.TracesTo = spans.URL
	return kit.Start(t, o), spans
}

// ends waits until a span of the name is there about the order, and returns all that are about it.
func ends(t *testing.T, spans *kit.Spans, order, name string) []kit.Span {
	t.Helper()
	var all []kit.Span
	kit.Eventually(t, name+" is recorded", func() error {
		all = spans.Of(order)
		if !slices.ContainsFunc(all, func(s kit.Span) bool { return s.Name == name }) {
			return fmt.Errorf("there are %d spans: %v", len(all), names(all))
		}
		return nil
	})
	return all
}

func names(all []kit.Span) []string {
	var list []string
	for _, s := range all {
		list = append(list, s.Service+": "+s.Name)
	}
	return list
}

func TestTraces_OneOrderIsOneTrace(t *testing.T) {
	s, spans := start(t, supervisor.Options{Traces: 1})
	id := s.Place(t, client.One("widget", 1))
	s.Ends(t, id)
	all := ends(t, spans, id, "send OrderConfirmed")
	time.Sleep(time.Second)
	all = spans.Where(func(s kit.Span) bool { return s.Trace == strings.ReplaceAll(id, "-", "") })
	for _, one := range all {
		t.Logf("%8.2f %8.2f %-12s %s parent=%s id=%s %v %v", float64(one.Start.Sub(all[0].Start).Microseconds())/1000,
			float64(one.End.Sub(one.Start).Microseconds())/1000, one.Service, one.Name, one.Parent, one.ID, one.Attributes, one.Links)
	}
}
