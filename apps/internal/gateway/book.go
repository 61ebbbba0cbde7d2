package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"

	"example.com/ordersaga/contracts/gateway/api"
)

// record is one line of the ledger file: something that was accepted, and the answer that it got. The
// answer is the record's truth: what was captured is read from it.
type record struct {
	Kind        kind            `json:"kind"`
	Key         string          `json:"key,omitempty"` // empty when no request asked for it
	Fingerprint string          `json:"fingerprint,omitempty"`
	Method      string          `json:"payment_method,omitempty"` // of a charge: decides what its refund meets
	Status      int             `json:"status"`
	Answer      json.RawMessage `json:"answer"`
}

// kind is what a record is about.
type kind string

const (
	charged  kind = "charge"
	refunded kind = "refund"
	declined kind = "decline"
	refused  kind = "refusal"
)

// newRecord makes the record of an answer.
func newRecord(k kind, key keyed, answer any) *record {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // the API's types always marshal
	}
	status := http.StatusCreated
	if k == declined || k == refused {
		status = http.StatusPaymentRequired
	}
	return &record{Kind: k, Key: key.key, Fingerprint: key.fingerprint, Status: status, Answer: body}
}

// book is the ledger in memory: what all its records come to. One goroutine owns it.
type book struct {
	answers     map[string]*record  // by key
	charges     map[string]*account // by the charge's id
	byReference map[string][]*account
	entries     []api.Entry // only ever appended to, so that a reader may keep a part of it
}

// account is a charge and the sum of its refunds.
type account struct {
	charge   api.Charge
	method   string
	refunded int64
}

func newBook() *book {
	return &book{answers: map[string]*record{}, charges: map[string]*account{}, byReference: map[string][]*account{},
		entries: []api.Entry{}}
}

// replay applies a line of the file.
func (b *book) replay(line []byte) error {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	return b.apply(&r)
}

// apply makes a record part of the book.
func (b *book) apply(r *record) error {
	switch r.Kind {
	case charged:
		if err := b.applyCharge(r); err != nil {
			return err
		}
	case refunded:
		if err := b.applyRefund(r); err != nil {
			return err
		}
	case declined, refused: // no money moved; the answer alone is kept
	default:
		return fmt.Errorf("unknown kind %q", r.Kind)
	}
	if r.Key != "" {
		b.answers[r.Key] = r
	}
	return nil
}

func (b *book) applyCharge(r *record) error {
	a := &account{method: r.Method}
	if err := json.Unmarshal(r.Answer, &a.charge); err != nil {
		return err
	}
	c := a.charge
	b.charges[c.Id] = a
	b.byReference[c.MerchantReference] = append(b.byReference[c.MerchantReference], a)
	b.entries = append(b.entries, api.Entry{
		Id: c.Id, Kind: api.EntryKindCharge, MerchantReference: c.MerchantReference,
		Amount: c.Amount, Currency: c.Currency, Status: api.EntryStatusSucceeded, CreatedAt: c.CreatedAt,
	})
	return nil
}

func (b *book) applyRefund(r *record) error {
	var refund api.Refund
	if err := json.Unmarshal(r.Answer, &refund); err != nil {
		return err
	}
	a := b.charges[refund.ChargeId]
	if a == nil {
		return fmt.Errorf("refund %s of charge %s that is not in the ledger", refund.Id, refund.ChargeId)
	}
	a.refunded += refund.Amount
	a.charge.Refunds = append(a.charge.Refunds, refund)
	b.entries = append(b.entries, api.Entry{
		Id: refund.Id, Kind: api.EntryKindRefund, ChargeId: &refund.ChargeId, MerchantReference: refund.MerchantReference,
		Amount: refund.Amount, Currency: refund.Currency, Status: api.EntryStatusSucceeded, CreatedAt: refund.CreatedAt,
	})
	return nil
}

// find is what was captured under a merchant's reference.
func (b *book) find(reference string) []api.Charge {
	found := make([]api.Charge, 0, len(b.byReference[reference]))
	for _, a := range b.byReference[reference] {
		found = append(found, a.charge)
	}
	return found
}

// page is the entries after the first so many, at most limit of them.
func (b *book) page(after, limit int) api.Ledger {
	from := min(after, len(b.entries))
	to := from + min(limit, len(b.entries)-from)
	return api.Ledger{Entries: b.entries[from:to:to], Next: to}
}
