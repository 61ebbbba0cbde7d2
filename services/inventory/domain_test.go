package inventory

import (
	"slices"
	"testing"

	"example.com/ordersaga/pkg/events"
)

func TestQuantities_EachSKUOnceInSKUOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []events.Line
		wants []Line // nil: an error
	}{
		{"one line is wanted as it is", []events.Line{{SKU: "widget", Quantity: 2}}, []Line{{"widget", 2}}},
		{"lines are put into SKU order", []events.Line{{SKU: "gizmo", Quantity: 1}, {SKU: "gadget", Quantity: 1}}, []Line{{"gadget", 1}, {"gizmo", 1}}},
		{"lines of one SKU are added up", []events.Line{{SKU: "widget", Quantity: 2}, {SKU: "gizmo", Quantity: 1}, {SKU: "widget", Quantity: 3}}, []Line{{"gizmo", 1}, {"widget", 5}}},
		{"no lines are an error", nil, nil},
		{"none of something is an error", []events.Line{{SKU: "widget", Quantity: 0}}, nil},
		{"less than none is an error, whatever else is wanted", []events.Line{{SKU: "widget", Quantity: 5}, {SKU: "widget", Quantity: -1}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wants, err := quantities(c.lines)
			if !slices.Equal(wants, c.wants) || (err != nil) != (c.wants == nil) {
				t.Errorf("quantities(%v) = %v, %v; want %v", c.lines, wants, err, c.wants)
			}
		})
	}
}

func TestStock_Covers(t *testing.T) {
	t.Parallel()
	stock := Stock{SKU: "widget", Available: 3, Reserved: 10, Sold: 10}
	for _, c := range []struct {
		name   string
		delta  int64
		covers bool
	}{
		{"more is always possible", 1, true},
		{"all that is available can be taken", -3, true},
		{"what is reserved or sold cannot", -4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := stock.covers(c.delta); got != c.covers {
				t.Errorf("covers(%d) = %v, want %v", c.delta, got, c.covers)
			}
		})
	}
}
