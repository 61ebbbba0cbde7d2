package sagaview

import (
	"fmt"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// kind says what sort of fact an event is, for its mark and colour.
type kind int

const (
	forward      kind = iota // a step that stands
	refusal                  // the saga turns round here
	compensation             // a step undone
	ending                   // the order's fate
	attention                // a person is needed
)

// marks make the kinds legible without colours.
var marks = map[kind]string{forward: "→", refusal: "✗", compensation: "↩", ending: "■", attention: "!"}

// Describe says of an event what a person wants to know at a glance: a mark for the sort of fact that it is (→ a step
// that stands, ✗ the saga turns round, ↩ a step undone, ■ the end, ! a person is needed), and a few words.
func Describe(event events.Event) (mark, detail string) {
	what, detail := describe(event)
	return marks[what], detail
}

// describe says of an event what a person wants to know at a glance.
func describe(event events.Event) (kind, string) {
	switch e := event.(type) {
	case events.OrderCreated:
		return forward, fmt.Sprintf("%s for %s, to %s", Lines(e.Lines), e.Total, e.ShipTo.Country)
	case events.OrderCreatedV2:
		return forward, fmt.Sprintf("%s for %s, to %s", pricedLines(e.Lines), e.Total, e.ShipTo.Address.Country)
	case events.InventoryReserved:
		return forward, "held: " + Lines(e.Lines)
	case events.PaymentProcessed:
		return forward, "captured " + e.Total.String()
	case events.ShipmentCreated:
		return forward, "on its way: " + e.ShipmentID
	case events.OrderConfirmed:
		return ending, "confirmed"
	case events.OrderCancelled:
		return ending, "cancelled: " + e.Reason
	}
	return describeUndoing(event)
}

func describeUndoing(event events.Event) (kind, string) {
	switch e := event.(type) {
	case events.OrderCancelRequested:
		return refusal, e.Reason
	case events.InventoryRejected:
		return refusal, e.Reason
	case events.PaymentFailed:
		return refusal, e.Reason
	case events.ShipmentFailed:
		return refusal, e.Reason
	case events.PaymentRefunded:
		return compensation, fmt.Sprintf("returned %s: %s", e.Amount, e.Reason)
	case events.PaymentVoided:
		return compensation, "no money moved: " + e.Reason
	case events.InventoryReleased:
		return compensation, "nothing is held: " + e.Reason
	case events.OrderNeedsAttention:
		return attention, e.Kind + ": " + e.Reason
	case events.IncidentOpened:
		return attention, e.Kind + ": " + e.Reason
	case events.IncidentResolved:
		return attention, e.Kind + " resolved: " + e.Resolution
	}
	return attention, ""
}

// Lines shows what was ordered, for example "2 × widget, 1 × gizmo".
func Lines(lines []events.Line) string {
	parts := make([]string, len(lines))
	for i, line := range lines {
		parts[i] = fmt.Sprintf("%d × %s", line.Quantity, line.SKU)
	}
	return strings.Join(parts, ", ")
}

func pricedLines(priced []events.PricedLine) string {
	lines := make([]events.Line, len(priced))
	for i, line := range priced {
		lines[i] = events.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return Lines(lines)
}
