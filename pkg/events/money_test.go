package events_test

import (
	"testing"

	"example.com/ordersaga/pkg/events"
)

func TestMoney_HasTheDecimalsOfItsCurrency(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]events.Money{
		"19.80 USD":                 {Amount: 1980, Currency: "USD"},
		"0.05 EUR":                  {Amount: 5, Currency: "EUR"},
		"-0.05 EUR":                 {Amount: -5, Currency: "EUR"},
		"0.00 CHF":                  {Amount: 0, Currency: "CHF"},
		"1980 JPY":                  {Amount: 1980, Currency: "JPY"},
		"1980 KRW":                  {Amount: 1980, Currency: "KRW"},
		"1.980 BHD":                 {Amount: 1980, Currency: "BHD"},
		"0.005 TND":                 {Amount: 5, Currency: "TND"},
		"1.980 IQD":                 {Amount: 1980, Currency: "IQD"}, // people there use no decimals, ISO 4217 has three
		"0.1980 CLF":                {Amount: 1980, Currency: "CLF"},
		"92233720368547758.07 USD":  {Amount: 1<<63 - 1, Currency: "USD"},
		"-92233720368547758.08 USD": {Amount: -1 << 63, Currency: "USD"},
		`1980 minor units of "ZZZ"`: {Amount: 1980, Currency: "ZZZ"},
		`1980 minor units of "usd"`: {Amount: 1980, Currency: "usd"},
		`1980 minor units of ""`:    {Amount: 1980},
	} {
		if got := m.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
