// Package gateway is what the card gateway's contract says about everything that is ever to be charged. Whoever accepts
// something that is charged later refuses at the door what the gateway could never take.
package gateway

import (
	"fmt"
	"strings"
)

// The limits of api/openapi.yaml; a test holds them to it.
const (
	smallest  = 1               // in minor units
	greatest  = 100_000_000_000 // in minor units
	maxMethod = 64              // bytes of a payment method
)

// Takes reports whether the gateway takes a currency, by its ISO 4217 code.
func Takes(currency string) bool {
	switch currency {
	case "AUD", "CAD", "CHF", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD":
		return true
	}
	return false
}

// Refusal is why the gateway could never charge an amount (in minor units) to a payment method; empty when it could.
func Refusal(amount int64, currency, method string) string {
	token, isToken := strings.CutPrefix(method, "tok_")
	switch {
	case amount < smallest || amount > greatest:
		return fmt.Sprintf("%d %s in minor units cannot be charged, only %d to %d",
			amount, currency, smallest, int64(greatest))
	case !Takes(currency):
		return fmt.Sprintf("cards cannot be charged in %q", currency)
	case !isToken || token == "" || len(method) > maxMethod || strings.ContainsFunc(token, notOfToken):
		return "the payment method is not a card's token: tok_ with letters from a to z, digits and _, at most 64 characters"
	}
	return ""
}

func notOfToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
}
