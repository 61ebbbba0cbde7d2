package gateway

import (
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/gateway/api"
)

// What is refused at the door is exactly what the gateway's own contract refuses.
func TestLimits_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	schema := spec.Components.Schemas["ChargeRequest"].Value
	accepted, _ := spec.Components.Schemas["Currency"].Value.Extensions["x-accepted"].([]any)
	takes := func(amount int64, currency, method string) bool {
		return slices.Contains(accepted, any(currency)) && schema.VisitJSON(map[string]any{
			"merchant_reference": "o-1", "amount": float64(amount), "currency": currency, "payment_method": method,
		}) == nil
	}
	currencies := []string{"AAA", "usd", "US", "", "USDT", "BHD", "KWD", "XXX"}
	for _, c := range accepted {
		currencies = append(currencies, c.(string))
	}
	for _, amount := range []int64{-1, 0, 1, 4950, 100_000_000_000, 100_000_000_001, 1 << 62} {
		for _, currency := range currencies {
			for _, method := range []string{
				"tok_visa", "tok_doesnotexist", "tok_", "tok", "", "visa", "tok_Visa", "tok_visa ", "tok_vi sa", "tok_ä", "tok_\n",
				"Tok_visa", "tok_" + strings.Repeat("a", 60), "tok_" + strings.Repeat("a", 61), "tok_vi-sa", "tok_visa\x00",
			} {
				if got, want := Refusal(amount, currency, method) == "", takes(amount, currency, method); got != want {
					t.Errorf("%d %q %q is taken: %v; by the contract: %v", amount, currency, method, got, want)
				}
			}
		}
	}
}
