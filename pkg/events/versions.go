package events

import "fmt"

// OrderCreatedV2 is [OrderCreated] in a form that needs no context: a price is money and not a number in the currency
// of another field, and the recipient of the parcel is separate from the address. Neither could be added to version
// 1: both change the meaning of a field that is read already.
//
// A consumer that handles version 2 alone gets version 1 through [OrderCreated.Upcast]. A consumer that handles
// version 1 alone needs a translator in front of it, with [OrderCreatedV2.Downcast].
type OrderCreatedV2 struct {
	OrderID       string       `json:"order_id"`
	CustomerID    string       `json:"customer_id"`
	Lines         []PricedLine `json:"lines"`
	Total         Money        `json:"total"`
	PaymentMethod string       `json:"payment_method"`
	ShipTo        Destination  `json:"ship_to"`
	ContactEmail  string       `json:"contact_email,omitempty"`
}

// Order is the id of the order.
func (e OrderCreatedV2) Order() string { return e.OrderID }

// PricedLine is a [Line] with the currency of its price.
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

// Upcast is the same order in version 2. It is pure and never fails: version 2 can express all that version 1 can.
func (e OrderCreated) Upcast() OrderCreatedV2 {
	lines := make([]PricedLine, 0, len(e.Lines))
	for _, line := range e.Lines {
		lines = append(lines, PricedLine{line.SKU, line.Quantity, Money{line.UnitPrice, e.Total.Currency}})
	}
	to := e.ShipTo
	return OrderCreatedV2{
		OrderID: e.OrderID, CustomerID: e.CustomerID, Lines: lines, Total: e.Total, PaymentMethod: e.PaymentMethod,
		ShipTo:       Destination{to.Name, Place{to.Street, to.City, to.PostalCode, to.Country}},
		ContactEmail: e.ContactEmail,
	}
}

// Downcast is the same order in version 1, where that is possible: version 1 has one currency for all lines. An order
// in two currencies is an error, never a wrong price.
func (e OrderCreatedV2) Downcast() (OrderCreated, error) {
	lines := make([]Line, 0, len(e.Lines))
	for _, line := range e.Lines {
		if line.UnitPrice.Currency != e.Total.Currency {
			return OrderCreated{}, fmt.Errorf("%q costs %s in an order that costs %s, which version 1 cannot express",
				line.SKU, line.UnitPrice.Currency, e.Total.Currency)
		}
		lines = append(lines, Line{line.SKU, line.Quantity, line.UnitPrice.Amount})
	}
	to, at := e.ShipTo, e.ShipTo.Address
	return OrderCreated{Snapshot: Snapshot{
		OrderID: e.OrderID, CustomerID: e.CustomerID, Lines: lines, Total: e.Total, PaymentMethod: e.PaymentMethod,
		ShipTo: Address{to.Recipient, at.Street, at.City, at.PostalCode, at.Country},
	}, ContactEmail: e.ContactEmail}, nil
}
