package order

import (
	"errors"
	"math"
	"sort"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

func usd(amount int64) events.Money { return events.Money{Amount: amount, Currency: "USD"} }

func TestAccept_PricesTheCommandOrRefusesIt(t *testing.T) {
	t.Parallel()
	prices := map[string]events.Money{
		"widget": usd(1999), "gizmo": usd(750), "free": usd(0), "voucher": usd(-1), "priceless": usd(math.MaxInt64),
		"half": usd(math.MaxInt64 / 2), "euro": {Amount: 100, Currency: "EUR"},
		"jewel": usd(100_000_000), "dinar": {Amount: 1000, Currency: "BHD"},
	}
	many := make([]Item, 0, 51)
	for i := range 51 {
		sku := "sku" + string(rune('A'+i))
		prices[sku] = usd(1)
		many = append(many, Item{sku, 1})
	}
	total := func(amount int64) *events.Money { m := usd(amount); return &m }
	tests := []struct {
		name     string
		items    []Item
		expected *events.Money
		total    int64
		refused  string // part of the reason; empty: accepted
	}{
		{"one line", []Item{{"widget", 2}}, nil, 3998, ""},
		{"two lines", []Item{{"widget", 1}, {"gizmo", 3}}, nil, 1999 + 2250, ""},
		{"the total that the customer expects", []Item{{"widget", 2}}, total(3998), 3998, ""},
		{"something free beside something else", []Item{{"gizmo", 1}, {"free", 1000}}, total(750), 750, `"free" is not sold`},
		{"nothing to pay", []Item{{"free", 1000}}, total(0), 0, `"free" is not sold`},
		{"less than nothing to pay", []Item{{"gizmo", 1}, {"voucher", 1}}, nil, 0, `"voucher" is not sold`},
		{"fifty lines", many[:50], nil, 50, ""},
		{"the greatest amount of the gateway", []Item{{"jewel", 1000}}, nil, 100_000_000_000, ""},
		{"more than that", []Item{{"jewel", 1000}, {"gizmo", 1}}, nil, 0, "100000000750 USD in minor units cannot be charged"},
		{"the largest total that can be counted", []Item{{"priceless", 1}}, nil, 0, "cannot be charged"},
		{"a currency that the gateway does not take", []Item{{"dinar", 1}}, nil, 0, `cannot be charged in "BHD"`},
		{"nothing", nil, nil, 0, "1 to 50 lines"},
		{"fifty-one lines", many, nil, 0, "1 to 50 lines"},
		{"an unknown SKU", []Item{{"widget", 1}, {"perpetuum mobile", 1}}, nil, 0, `no SKU "perpetuum mobile"`},
		{"a SKU twice", []Item{{"widget", 1}, {"gizmo", 1}, {"widget", 1}}, nil, 0, `"widget" stands in the order twice`},
		{"none of it", []Item{{"widget", 0}}, nil, 0, "must be 1 to 1000"},
		{"less than none", []Item{{"widget", -1}}, nil, 0, "must be 1 to 1000"},
		{"a thousand", []Item{{"widget", 1000}}, nil, 1_999_000, ""},
		{"a thousand and one", []Item{{"widget", 1001}}, nil, 0, "must be 1 to 1000"},
		{"a line that overflows", []Item{{"priceless", 2}}, nil, 0, "more than can be counted"},
		{"a sum that overflows", []Item{{"half", 1}, {"priceless", 1}}, nil, 0, "more than can be counted"},
		{"two currencies", []Item{{"widget", 1}, {"euro", 1}}, nil, 0, "sold in EUR"},
		{"less than expected", []Item{{"widget", 2}}, total(3999), 0, "costs 3998 USD"},
		{"another currency than expected", []Item{{"widget", 2}}, &events.Money{Amount: 3998, Currency: "EUR"}, 0, "not 3998 EUR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			command := twoWidgets
			command.Items, command.ExpectedTotal = test.items, test.expected
			got, err := accept("id", command, prices)
			var refused Refusal
			switch {
			case test.refused == "" && (err != nil || got.Total != usd(test.total) || len(got.Lines) != len(test.items)):
				t.Errorf("accepted %+v, %v; want a total of %d", got, err, test.total)
			case test.refused != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("accepted %+v, %v; want it refused because of %q", got, err, test.refused)
			}
		})
	}
}

// A card's token is judged here by its syntax alone: whether there is such a card only the gateway knows.
func TestAccept_APaymentMethodThatIsNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	for method, taken := range map[string]bool{
		"tok_doesnotexist": true, "visa": false, "tok_": false, "tok_Visa": false, "tok_" + strings.Repeat("a", 61): false,
	} {
		command := twoWidgets
		command.PaymentMethod = method
		_, err := accept("id", command, map[string]events.Money{"widget": usd(1999)})
		if _, refused := errors.AsType[Refusal](err); refused == taken {
			t.Errorf("%q: %v", method, err)
		}
	}
}

func TestAccept_TheOrderHasTheServersPrices(t *testing.T) {
	t.Parallel()
	got, err := accept("id", twoWidgets, map[string]events.Money{"widget": usd(1999)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the order", got, events.Snapshot{
		OrderID: "id", CustomerID: "ada", Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}},
		Total: usd(3998), PaymentMethod: "tok_visa", ShipTo: twoWidgets.ShipTo,
	})
}

// TestAccept_TheOrderFitsIntoEveryEvent looks for the largest order that is accepted, and puts it into the
// events that carry the most around it.
func TestAccept_TheOrderFitsIntoEveryEvent(t *testing.T) {
	t.Parallel()
	sized := func(size int) (events.Snapshot, error) {
		command := twoWidgets
		command.CustomerID = strings.Repeat("x", size)
		return accept("0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f", command, map[string]events.Money{"widget": usd(1999)})
	}
	tooLarge := sort.Search(2*events.MaxSize, func(size int) bool { _, err := sized(size); return err != nil })
	_, err := sized(tooLarge)
	if _, refused := errors.AsType[Refusal](err); !refused {
		t.Fatalf("%d bytes: %v is not a refusal", tooLarge, err)
	}
	order, err := sized(tooLarge - 1)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("i", 255)
	cause := events.Cause{EventID: order.OrderID, TraceParent: strings.Repeat("0", 55)}
	for _, event := range []events.Event{
		eventVersion(1).created(order, ""), eventVersion(2).created(order, ""), events.InventoryReserved{Snapshot: order},
		events.PaymentProcessed{Snapshot: order, ChargeID: id}, events.ShipmentCreated{Snapshot: order, ShipmentID: id},
	} {
		if _, err := events.Encode(order.OrderID, time.Now(), cause, event); err != nil {
			t.Error(err)
		}
	}
}

func TestStatus_NeedsAttentionWhileAnIncidentIsOpen(t *testing.T) {
	t.Parallel()
	over := time.Now()
	open, resolved := Incident{ID: "1"}, Incident{ID: "2", ResolvedAt: &over}
	tests := []struct {
		name      string
		status    Status
		incidents []Incident
		want      Status
	}{
		{"pending", Pending, nil, Pending},
		{"pending and stuck", Pending, []Incident{open}, NeedsAttention},
		{"cancelling and stuck", Cancelling, []Incident{open}, NeedsAttention},
		{"pending, and stuck no more", Pending, []Incident{resolved}, Pending},
		{"stuck for a second reason", Cancelling, []Incident{resolved, open}, NeedsAttention},
		{"confirmed is the end", Confirmed, []Incident{open}, Confirmed},
		{"cancelled is the end", Cancelled, []Incident{open}, Cancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			same(t, "status", Order{Status: test.status, Incidents: test.incidents}.public(), test.want)
		})
	}
}

func TestStatus_IsFoundInTheStatesThatShowIt(t *testing.T) {
	t.Parallel()
	for _, public := range []Status{"", Pending, Cancelling, Confirmed, Cancelled, NeedsAttention} {
		states, open := stored(public)
		for _, state := range []Status{Pending, Cancelling, Confirmed, Cancelled} {
			for _, stuck := range []bool{false, true} {
				o := Order{Status: state}
				if stuck {
					o.Incidents = []Incident{{ID: "1"}}
				}
				found := false
				for _, s := range states {
					found = found || s == state && (open == nil || *open == stuck)
				}
				if want := public == "" || o.public() == public; found != want {
					t.Errorf("looking for %q finds %s (stuck: %v): %v, want %v", public, state, stuck, found, want)
				}
			}
		}
	}
}
