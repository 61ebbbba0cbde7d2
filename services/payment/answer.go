package payment

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Verdict is what an answer of the gateway decides.
type Verdict int

// Everything that is not definitely one of the other two is Undecided: a timeout is not a decline.
const (
	Undecided Verdict = iota
	Yes               // charged, or refunded
	No                // declined, or refused, for good
)

// String is the verdict's name in metrics.
func (v Verdict) String() string { return [...]string{"undecided", "yes", "no"}[v] }

// Answer is what is known after asking the gateway.
type Answer struct {
	Verdict Verdict
	ID      string // of the charge or refund, when Yes
	Reason  string // the gateway's code when No; why nothing is known when Undecided
}

// said is any answer of the gateway about money: a charge, a refund, a decline, a refusal.
type said struct {
	ID          string `json:"id"`
	ChargeID    string `json:"charge_id"`
	Reference   string `json:"merchant_reference"`
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	Status      string `json:"status"`
	DeclineCode string `json:"decline_code"`
	RefusalCode string `json:"refusal_code"`
	Refunds     []said `json:"refunds"`
}

// judge makes an answer out of what came back. No is what the status of a definite no is called.
func (c Claim) judge(status int, body []byte, err error, no string, amount int64) Answer {
	if err != nil {
		return Answer{Reason: err.Error()}
	}
	if status != http.StatusOK && status != http.StatusCreated && status != http.StatusPaymentRequired {
		return Answer{Reason: fmt.Sprintf("the gateway answered %d", status)}
	}
	var got said
	if json.Unmarshal(body, &got) != nil {
		return Answer{Reason: "the gateway's answer could not be read"}
	}
	if reason := c.mismatch(got, amount); reason != "" {
		return Answer{Reason: reason}
	}
	switch code := got.DeclineCode + got.RefusalCode; {
	case status == http.StatusPaymentRequired && got.Status == no && code != "":
		return Answer{Verdict: No, Reason: code}
	case status != http.StatusPaymentRequired && got.Status == "succeeded" && got.ID != "":
		return Answer{Verdict: Yes, ID: got.ID}
	}
	return Answer{Reason: fmt.Sprintf("the gateway answered %d with status %q", status, got.Status)}
}

// mismatch says in what an answer is not about what was asked. Such an answer decides nothing: money may
// have moved, but not this money.
func (c Claim) mismatch(got said, amount int64) string {
	switch {
	case got.Reference != c.Reference():
		return fmt.Sprintf("the gateway answered about %q", got.Reference)
	case c.ChargeID != "" && got.ChargeID != "" && got.ChargeID != c.ChargeID:
		return fmt.Sprintf("the gateway answered about charge %q", got.ChargeID)
	case got.Amount != amount || got.Currency != c.Currency:
		return fmt.Sprintf("the gateway shows %d %s instead of %d %s", got.Amount, got.Currency, amount, c.Currency)
	}
	return ""
}
