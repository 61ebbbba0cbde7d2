package charge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/pkg/problem"
)

// Decision is what an answer of the gateway decides.
type Decision int

// Everything that is not definitely one of the other two is Undecided: a timeout is not a decline.
const (
	Undecided Decision = iota
	Yes                // charged, or refunded
	No                 // declined, or refused, for good
)

// String is the decision's name in metrics.
func (d Decision) String() string { return [...]string{"undecided", "yes", "no"}[d] }

// Outcome is what is known after a call.
type Outcome struct {
	Decision Decision
	ID       string // of the charge or refund, when Yes
	Reason   string // the gateway's code when No; why nothing is known when Undecided
	// Refused: Undecided, but the gateway itself refused to carry this request out, which was sent once. Where no other
	// was sent for the payment before, that is a No.
	Refused bool
	// Refunds are those of the charge that are to be booked: the one that was asked for, or whatever the gateway shows.
	Refunds []GatewayResponse
}

// GatewayResponse is any answer of the gateway about money: a charge, a refund, a decline, a refusal.
type GatewayResponse struct {
	ID          string            `json:"id"`
	ChargeID    string            `json:"charge_id"`
	Reference   string            `json:"merchant_reference"`
	Amount      int64             `json:"amount"`
	Currency    string            `json:"currency"`
	Status      string            `json:"status"`
	DeclineCode string            `json:"decline_code"`
	RefusalCode string            `json:"refusal_code"`
	Refunds     []GatewayResponse `json:"refunds"`
}

// succeeded is the status of money that has moved.
const succeeded = "succeeded"

// classify makes an outcome of what came back. No is the name of the status of a definite no.
func (p Payment) classify(a answer, err error, no string, amount int64) Outcome {
	if err != nil {
		return Outcome{Reason: err.Error()}
	}
	status := a.status
	if status != http.StatusOK && status != http.StatusCreated && status != http.StatusPaymentRequired {
		code := a.refusal()
		reason := strings.TrimSpace(fmt.Sprintf("the gateway answered %d %s", status, code))
		return Outcome{Reason: reason, Refused: code != ""}
	}
	var got GatewayResponse
	if json.Unmarshal(a.body, &got) != nil {
		return Outcome{Reason: errUnreadable.Error()}
	}
	if reason := p.Mismatch(got, amount); reason != "" {
		return Outcome{Reason: reason}
	}
	switch code := got.DeclineCode + got.RefusalCode; {
	case status == http.StatusPaymentRequired && got.Status == no && code != "":
		return Outcome{Decision: No, Reason: code}
	case status != http.StatusPaymentRequired && got.Status == succeeded && got.ID != "":
		return Outcome{Decision: Yes, ID: got.ID, Refunds: []GatewayResponse{{ID: got.ID, Amount: amount}}}
	}
	return Outcome{Reason: fmt.Sprintf("the gateway answered %d with status %q", status, got.Status)}
}

// attemptsHeader is in every answer of the ambassador: how often it has sent the request.
const attemptsHeader = "Ambassador-Attempts"

// refusal is the code with which the gateway itself refused to carry out a request that was sent once; empty for every
// other answer. Whatever does not come with a code of the gateway's contract was answered by something on the way: a
// wrong address, a proxy, an ambassador without an endpoint. A key that belongs to another request is no refusal of
// this payment, it shows that something else was sent for it.
func (a answer) refusal() string {
	switch a.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
	default:
		return ""
	}
	var p api.Problem
	switch {
	case a.mediaType() != problem.ContentType || json.Unmarshal(a.body, &p) != nil || p.Status != a.status:
		return ""
	case p.Code == nil || !p.Code.Valid() || *p.Code == api.KeyReused:
		return ""
	case a.sent != 1 || strings.Join(a.header.Values(attemptsHeader), ",") != "1":
		return ""
	}
	return string(*p.Code)
}

// moved reports whether this is a movement of money: a charge or a refund that has succeeded, and so have its refunds.
func (r GatewayResponse) moved() bool {
	still := func(refund GatewayResponse) bool { return !refund.moved() }
	return r.ID != "" && r.Amount > 0 && r.Status == succeeded && !slices.ContainsFunc(r.Refunds, still)
}

// Mismatch is in what a response is not about what was asked; empty when it is. Such a response decides nothing:
// money may have moved, but not this money.
func (p Payment) Mismatch(got GatewayResponse, amount int64) string {
	switch {
	case got.Reference != p.Reference():
		return fmt.Sprintf("the gateway answered about %q", got.Reference)
	case p.ChargeID != "" && got.ChargeID != "" && got.ChargeID != p.ChargeID:
		return fmt.Sprintf("the gateway answered about charge %q", got.ChargeID)
	case got.Amount != amount || got.Currency != p.Currency:
		return fmt.Sprintf("the gateway shows %d %s instead of %d %s", got.Amount, got.Currency, amount, p.Currency)
	}
	return ""
}

// Found makes an outcome of the charges that the gateway shows under the payment's reference; asked is that of the
// request before. More than one charge, or another amount, is nothing that payment may decide.
func (c Claim) Found(charges []GatewayResponse, asked Outcome) Outcome {
	switch {
	case len(charges) == 0 && c.Horizon:
		return Outcome{Decision: No, Reason: NotCharged}
	case len(charges) == 0:
		return asked
	case len(charges) > 1:
		return Outcome{Reason: fmt.Sprintf("the gateway shows %d charges", len(charges))}
	}
	if reason := c.Mismatch(charges[0], c.Amount); reason != "" {
		return Outcome{Reason: reason}
	}
	return Outcome{Decision: Yes, ID: charges[0].ID}
}

// NewRefunds are the refunds of the payment's charge that the gateway shows and our ledger does not, whoever made them.
// The error is a sentence for an operator: what is shown cannot be booked.
func (p Payment) NewRefunds(charges []GatewayResponse) (found []GatewayResponse, err error) {
	i := slices.IndexFunc(charges, func(c GatewayResponse) bool { return c.ID == p.ChargeID })
	if i < 0 {
		return nil, fmt.Errorf("the gateway does not show the charge %s", p.ChargeID)
	}
	for _, refund := range charges[i].Refunds {
		if slices.Contains(p.Booked, refund.ID) {
			continue
		}
		if reason := p.Mismatch(refund, refund.Amount); reason != "" {
			return nil, fmt.Errorf("a refund cannot be booked: %s", reason)
		}
		found = append(found, refund)
	}
	if rest := p.Rest(found); rest < 0 {
		return nil, fmt.Errorf("%s are back, of %s that were captured", p.Money(p.Captured-rest), p.Money(p.Captured))
	}
	return found, nil
}

// FoundRefunds makes an outcome of the refunds that the gateway shows of the payment's charge, where it did not carry
// out what was asked for, or did not answer. What is back is booked, whoever returned it.
func (c Claim) FoundRefunds(charges []GatewayResponse, asked Outcome) Outcome {
	found, _ := c.NewRefunds(charges) // what cannot be booked an operator has to see
	refused := asked.Decision == No || asked.Refused && c.Attempts == 1
	whole := c.Direct == "" && c.Rest(found) == 0
	ours := slices.IndexFunc(found, func(r GatewayResponse) bool { return r.Amount == c.RefundAmount })
	switch {
	case len(found) > 0 && whole:
		return Outcome{Decision: Yes, Refunds: found}
	case ours >= 0 && !refused: // the last one names the payment's refund
		return Outcome{Decision: Yes, Refunds: append(slices.Delete(slices.Clone(found), ours, ours+1), found[ours])}
	case asked.Decision == No:
		asked.Refunds = found
		return asked
	case refused:
		return Outcome{Decision: No, Reason: InvalidRequest, Refunds: found}
	}
	return asked
}
