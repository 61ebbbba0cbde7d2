package events_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

// created reads the first version of an order as it was once published.
func created(t *testing.T) events.OrderCreated {
	t.Helper()
	message, err := os.ReadFile("testdata/OrderCreated.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	_, event, err := events.Decode(message)
	if err != nil {
		t.Fatal(err)
	}
	return event.(events.OrderCreated)
}

func TestUpcast_KeepsEveryValueOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	want := events.OrderCreatedV2{
		OrderID: anOrder, CustomerID: "customer-7",
		Lines: []events.PricedLine{
			{SKU: "widget", Quantity: 2, UnitPrice: events.Money{Amount: 1999, Currency: "USD"}},
			{SKU: "gizmo", Quantity: 1, UnitPrice: events.Money{Amount: 750, Currency: "USD"}},
		},
		Total: events.Money{Amount: 4748, Currency: "USD"}, PaymentMethod: "tok_visa",
		ShipTo: events.Destination{
			Recipient: "Zoë <Müller> & Söhne",
			Address:   events.Place{Street: "Hauptstraße 1", City: "Köln", PostalCode: "50667", Country: "DE"},
		},
		ContactEmail: contact,
	}
	if got := created(t).Upcast(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// An order may be translated on its way, and back: every consumer must get the same.
func TestUpcast_AndDowncastGiveTheSameOrder(t *testing.T) {
	t.Parallel()
	first := created(t)
	back, err := first.Upcast().Downcast()
	if err != nil || !reflect.DeepEqual(back, first) {
		t.Errorf("got %+v, %v, want %+v", back, err, first)
	}
}

// The conversions name every field by hand. One that is added to an order and forgotten there would be lost on
// the way, without an error.
func TestUpcast_LosesNoField(t *testing.T) {
	t.Parallel()
	first := created(t)
	if field := emptyField(reflect.ValueOf(first)); field != "" {
		t.Fatalf("the order leaves %s empty, which proves nothing about it", field)
	}
	second := first.Upcast()
	if field := emptyField(reflect.ValueOf(second)); field != "" {
		t.Errorf("the second version leaves %s empty", field)
	}
	back, err := second.Downcast()
	if field := emptyField(reflect.ValueOf(back)); err != nil || field != "" {
		t.Errorf("the first version leaves %q empty, %v", field, err)
	}
}

func TestDowncast_RefusesTwoCurrencies(t *testing.T) {
	t.Parallel()
	order := created(t).Upcast()
	order.Lines[1].UnitPrice.Currency = "EUR"
	if got, err := order.Downcast(); err == nil || !strings.Contains(err.Error(), `"gizmo" costs EUR`) {
		t.Errorf("an order in two currencies became %+v, %v", got, err)
	}
}

// What makes it a new version and not an addition: a reader of the first one would take the second for
// nonsense.
func TestVersions_TheSecondBreaksReadersOfTheFirst(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(created(t).Upcast())
	if err != nil {
		t.Fatal(err)
	}
	var first events.OrderCreated
	if err := json.Unmarshal(data, &first); err == nil {
		t.Errorf("%s was read as version 1: %+v", data, first)
	}
}
