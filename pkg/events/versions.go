package events

import "fmt"

// OrderCreatedV2 says what [OrderCreated] says in a form that stands on its own: a price is money and not a
// number in somebody else's currency, and who receives the parcel is told apart from where it goes. Neither
// could be added to version 1: both change what a field means that is read already.
//
// Whoever still hears version 1 is spared the difference: [OrderCreated.Upcast] is applied where the event is
// read. Whoever still hears nothing but version 1 is served by a translator, with [OrderCreatedV2.Downcast].
type OrderCreatedV2 struct {
	OrderID       string       `json:"order_id"`
	CustomerID    string       `json:"customer_id"`
	Lines         []PricedLine `json:"lines"`
	Total         Money        `json:"total"`
	PaymentMethod string       `json:"payment_method"`
	ShipTo        Destination  `json:"ship_to"`
}

// Order is the id of the order.
func (e OrderCreatedV2) Order() string { return e.OrderID }

// PricedLine is a [Line] that says in which currency its price is.
type PricedLine struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice Money  `json:"unit_price"`
}

// Destination is who an order is shipped to, and where that is.
type Destination struct {
	Recipient string `json:"recipient"`
	Address   Place  `json:"address"`
}

// Place is an address without a person; Country is an ISO 3166-1 alpha-2 code.
type Place struct {
	Street     string `json:"street"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// Upcast says the same in version 2. It is pure and never fails: everything that version 1 says, version 2
// can say too.
func (e OrderCreated) Upcast() OrderCreatedV2 {
	lines := make([]PricedLine, 0, len(e.Lines))
	for _, line := range e.Lines {
		lines = append(lines, PricedLine{line.SKU, line.Quantity, Money{line.UnitPrice, e.Total.Currency}})
	}
	to := e.ShipTo
	return OrderCreatedV2{
		OrderID: e.OrderID, CustomerID: e.CustomerID, Lines: lines, Total: e.Total, PaymentMethod: e.PaymentMethod,
		ShipTo: Destination{to.Name, Place{to.Street, to.City, to.PostalCode, to.Country}},
	}
}

// Downcast says the same in version 1. The other way round is not always possible: version 1 has one currency
// for all lines, and an order with two of them cannot be said in it. That is an error, never a wrong price.
func (e OrderCreatedV2) Downcast() (OrderCreated, error) {
	lines := make([]Line, 0, len(e.Lines))
	for _, line := range e.Lines {
		if line.UnitPrice.Currency != e.Total.Currency {
			return OrderCreated{}, fmt.Errorf("%q costs %s in an order that costs %s, which version 1 cannot say",
				line.SKU, line.UnitPrice.Currency, e.Total.Currency)
		}
		lines = append(lines, Line{line.SKU, line.Quantity, line.UnitPrice.Amount})
	}
	to, at := e.ShipTo, e.ShipTo.Address
	return OrderCreated{Snapshot{
		OrderID: e.OrderID, CustomerID: e.CustomerID, Lines: lines, Total: e.Total, PaymentMethod: e.PaymentMethod,
		ShipTo: Address{to.Recipient, at.Street, at.City, at.PostalCode, at.Country},
	}}, nil
}
