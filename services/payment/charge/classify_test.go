package charge

import (
	"strings"
	"testing"
)

// Whatever comes back that is not exactly about this payment decides nothing.
func TestClassify_WhichAnswersAreDefinite(t *testing.T) {
	t.Parallel()
	p := Payment{OrderID: "o-1", Amount: 1999, Currency: "USD"}
	good := `{"id":"ch_1","merchant_reference":"o-1","amount":1999,"currency":"USD","status":"succeeded"}`
	decline := `{"status":"declined","decline_code":"fraudulent","merchant_reference":"o-1","amount":1999,"currency":"USD"}`
	tests := []struct {
		sentence string
		status   int
		body     string
		want     Decision
	}{
		{"a charge as it was asked for", 201, good, Yes},
		{"a decline of what was asked for", 402, decline, No},
		{"another amount", 201, strings.Replace(good, "1999", "2099", 1), Undecided},
		{"another currency", 201, strings.Replace(good, "USD", "EUR", 1), Undecided},
		{"another reference", 201, strings.Replace(good, "o-1", "o-2", 1), Undecided},
		{"no id", 201, strings.Replace(good, "ch_1", "", 1), Undecided},
		{"another status", 201, strings.Replace(good, "succeeded", "pending", 1), Undecided},
		{"a decline of something else", 402, strings.Replace(decline, "o-1", "o-2", 1), Undecided},
		{"a decline without a reason", 402, strings.Replace(decline, "fraudulent", "", 1), Undecided},
		{"a 402 with the status succeeded", 402, good, Undecided},
		{"a 201 with the status declined", 201, decline, Undecided},
		{"half an answer", 201, good[:40], Undecided},
		{"a page of a proxy", 201, "<html>", Undecided},
		{"an empty answer", 201, "", Undecided},
		{"in progress", 409, good, Undecided},
		{"too many requests", 429, `{}`, Undecided},
		{"a request that the gateway does not understand", 400, `{}`, Undecided},
		{"a key that belongs to another request", 422, `{}`, Undecided},
		{"an error", 500, good, Undecided},
		{"a proxy that gave up", 504, `{}`, Undecided},
	}
	for _, test := range tests {
		got := p.classify(answer{status: test.status, body: []byte(test.body), sent: 1}, nil, "declined", p.Amount)
		if got.Decision != test.want || (got.Decision == Undecided) != (got.ID == "" && got.Reason != "" && got.Reason != "fraudulent") {
			t.Errorf("%s: %+v", test.sentence, got)
		}
	}
}
