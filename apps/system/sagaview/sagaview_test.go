package sagaview_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
)

const order = "0193a000-0000-7000-8000-00000000abcd"

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// undone is the saga of an order that shipping refused.
func undone() []eventlog.Seen {
	subject := events.Subject{OrderID: order}
	snapshot := events.Snapshot{
		OrderID: order, Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}},
		Total: events.Money{Amount: 3998, Currency: "USD"}, ShipTo: events.Address{Country: "AQ"},
	}
	all := []events.Event{
		events.OrderCreated{Snapshot: snapshot},
		events.InventoryReserved{Snapshot: snapshot},
		events.PaymentProcessed{Snapshot: snapshot, ChargeID: "ch_1"},
		events.ShipmentFailed{Subject: subject, Reason: "destination_not_served: AQ"},
		events.PaymentRefunded{Subject: subject, Amount: snapshot.Total, Reason: "destination_not_served: AQ"},
		events.InventoryReleased{Subject: subject, Reason: "destination_not_served: AQ"},
		events.OrderCancelled{Subject: subject, Reason: "destination_not_served: AQ"},
	}
	seen := make([]eventlog.Seen, len(all))
	for i, event := range all {
		at := began.Add(time.Duration(i*i) * 40 * time.Millisecond)
		seen[i] = eventlog.Seen{Event: event, Envelope: events.Envelope{ID: event.Type().Name, Subject: order, Time: at}}
	}
	return seen
}

func show(environ []string, width int, many bool) string {
	var out bytes.Buffer
	screen := sagaview.New(colorprofile.NewWriter(&out, environ), width, many)
	for _, seen := range undone() {
		screen.Show(seen)
	}
	screen.End(order)
	return out.String()
}

func TestSagaview_ASagaIsLegibleWithoutColours(t *testing.T) {
	t.Parallel()
	want := strings.TrimPrefix(`
     +0 ms order     → OrderCreated         2 × widget for 39.98 USD, to AQ
    +40 ms inventory → InventoryReserved    held: 2 × widget
   +160 ms payment   → PaymentProcessed     captured 39.98 USD
   +360 ms shipping  ✗ ShipmentFailed       destination_not_served: AQ
   +640 ms payment   ↩ PaymentRefunded      returned 39.98 USD: destination_not_served: AQ
   +1.00 s inventory ↩ InventoryReleased    nothing is held: destination_not_served: AQ
   +1.44 s order     ■ OrderCancelled       cancelled: destination_not_served: AQ
           saga Failed · inventory Compensated · payment Compensated · shipping Not done
`, "\n")
	if got := show([]string{"NO_COLOR=1", "TERM=xterm-256color"}, 0, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whoever watches sees the same in whatever version the services speak, and which one that is.
func TestSagaview_ASagaLooksTheSameInBothVersions(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	screen := sagaview.New(colorprofile.NewWriter(&out, []string{"NO_COLOR=1", "TERM=xterm-256color"}), 0, false)
	for _, seen := range undone() {
		if first, is := seen.Event.(events.OrderCreated); is {
			seen.Event = first.Upcast()
		}
		screen.Show(seen)
	}
	screen.End(order)
	want := strings.Replace(show([]string{"NO_COLOR=1", "TERM=xterm-256color"}, 0, false), "OrderCreated   ", "OrderCreated v2", 1)
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestSagaview_CompensationIsRedAndServicesHaveColours(t *testing.T) {
	t.Parallel()
	lines := strings.Split(show([]string{"CLICOLOR_FORCE=1", "TERM=xterm-256color"}, 0, false), "\n")
	const red = "\x1b[31m"
	for i, line := range lines[:6] {
		if undoing := i >= 3; strings.Contains(line, red) != undoing {
			t.Errorf("line %d should be red: %v; it is %q", i+1, undoing, line)
		}
	}
	colours := map[string]bool{}
	for _, line := range lines[:4] { // order, inventory, payment, shipping
		fields := strings.SplitN(line, "\x1b[", 4)
		colours[fields[3][:3]] = true
	}
	if len(colours) != 4 {
		t.Errorf("four services have the colours %v", colours)
	}
}

func TestSagaview_ANarrowTerminalCutsLinesAndBreaksNone(t *testing.T) {
	t.Parallel()
	for _, width := range []int{20, 40, 60} {
		for line := range strings.SplitSeq(show([]string{"CLICOLOR_FORCE=1", "TERM=xterm"}, width, true), "\n") {
			if ansi.StringWidth(line) > width {
				t.Errorf("at %d columns a line has %d: %q", width, ansi.StringWidth(line), line)
			}
		}
	}
}

func TestSagaview_WithManyOrdersEachLineNamesItsOrder(t *testing.T) {
	t.Parallel()
	first, _, _ := strings.Cut(show([]string{"NO_COLOR=1"}, 0, true), "\n")
	if !strings.HasPrefix(first, "…00abcd") {
		t.Errorf("got %q", first)
	}
}

func TestSagaview_ANoteAndAnUnknownMessageAreShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	screen := sagaview.New(colorprofile.NewWriter(&out, []string{"NO_COLOR=1"}), 0, false)
	screen.Show(undone()[0])
	screen.Note(order, began.Add(2*time.Second), events.Shipping, "killed by SIGKILL")
	_, _, problem := events.Decode([]byte("?"))
	screen.Show(eventlog.Seen{Subject: "saga.order.Odd.v1.x", Problem: problem})
	for _, want := range []string{"+2.00 s shipping  ⚡ killed by SIGKILL", "! saga.order.Odd.v1.x is no event that is known here"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestSagaview_EveryEventHasWords(t *testing.T) {
	t.Parallel()
	for _, name := range events.Names() {
		seen := eventlog.Seen{Event: example(t, name), Envelope: events.Envelope{Subject: order, Time: began}}
		var out bytes.Buffer
		sagaview.New(colorprofile.NewWriter(&out, []string{"NO_COLOR=1"}), 0, false).Show(seen)
		if _, detail, found := strings.Cut(out.String(), name); !found || strings.TrimSpace(detail) == "" {
			t.Errorf("%s is shown as %q", name, out.String())
		}
	}
}

func example(t *testing.T, name string) events.Event {
	t.Helper()
	for service := range events.Subscriptions {
		typ := events.Type{Service: service, Name: name, Major: 1}
		message := `{"specversion":"1.0","id":"` + order + `","source":"/services/` + string(service) + `","type":"` + typ.String() +
			`","subject":"` + order + `","time":"2026-01-02T03:04:05Z","data":{"order_id":"` + order + `","reason":"r","service":"` + string(service) +
			`","kind":"k","incident_id":"i","resolution":"r","shipment_id":"s"}}`
		if _, event, err := events.Decode([]byte(message)); err == nil {
			return event
		}
	}
	t.Fatalf("no service says %s", name)
	return nil
}

func TestSagaview_ProgressOfASaga(t *testing.T) {
	t.Parallel()
	type services = map[events.Service]sagaview.Progress
	want := []struct {
		state    sagaview.State
		services services
	}{
		{sagaview.InProgress, services{events.Inventory: sagaview.Processing, events.Payment: sagaview.Pending, events.Shipping: sagaview.Pending}},
		{sagaview.InProgress, services{events.Inventory: sagaview.Committed, events.Payment: sagaview.Processing, events.Shipping: sagaview.Pending}},
		{sagaview.InProgress, services{events.Inventory: sagaview.Committed, events.Payment: sagaview.Committed, events.Shipping: sagaview.Processing}},
		{sagaview.Undoing, services{events.Inventory: sagaview.Compensating, events.Payment: sagaview.Compensating, events.Shipping: sagaview.NotDone}},
		{sagaview.Undoing, services{events.Inventory: sagaview.Compensating, events.Payment: sagaview.Compensated, events.Shipping: sagaview.NotDone}},
		{sagaview.Undoing, services{events.Inventory: sagaview.Compensated, events.Payment: sagaview.Compensated, events.Shipping: sagaview.NotDone}},
		{sagaview.Failed, services{events.Inventory: sagaview.Compensated, events.Payment: sagaview.Compensated, events.Shipping: sagaview.NotDone}},
	}
	saga := sagaview.NewSaga()
	for i, seen := range undone() {
		saga.Apply(seen.Event)
		if saga.State != want[i].state {
			t.Errorf("after %s the saga is %s, not %s", seen.Event.Type().Name, saga.State, want[i].state)
		}
		for service, progress := range want[i].services {
			if saga.Services[service] != progress {
				t.Errorf("after %s %s is %s, not %s", seen.Event.Type().Name, service, saga.Services[service], progress)
			}
		}
	}
}
