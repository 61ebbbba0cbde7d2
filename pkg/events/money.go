package events

import (
	"fmt"

	"github.com/bojanz/currency"
)

// Money is an amount in minor units (cents for USD) of an ISO 4217 currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// KnownCurrency is whether ISO 4217 has a currency in use with this code.
func KnownCurrency(code string) bool { return currency.IsValid(code) }

// String is the amount in the currency's own units, with as many decimals as ISO 4217 gives it: "19.80 USD",
// "1980 JPY", "1.980 BHD". How many there are of a currency that it does not have, nobody knows.
func (m Money) String() string {
	amount, err := currency.NewAmountFromInt64(m.Amount, m.Currency)
	if err != nil {
		return fmt.Sprintf("%d minor units of %q", m.Amount, m.Currency)
	}
	return amount.String()
}
