package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"

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

// book finds records, which stay in the file: it has some 40 bytes for each. One goroutine owns it.
type book struct {
	file      *file
	decided   []byte // lines that come behind the end of the file, and are not written yet
	names     index
	movements int     // of money
	marks     []int64 // where every so many of them begin; see stride
	err       error   // a record could not be read: what was decided without it does not count
}

// stride is how many movements a reader of the ledger reads and does not want at most.
const stride = 256

// account is a charge and the sum of its refunds.
type account struct {
	charge   api.Charge
	method   string
	refunded int64
}

func newBook(f *file) *book { return &book{file: f, names: newIndex()} }

// Names by which records are found. Each of them is of one kind, so that no key can be taken for a reference.
func keyName(key string) string             { return "key " + key }
func chargeName(id string) string           { return "charge " + id } // its refunds have it, too
func referenceName(reference string) string { return "reference " + reference }

// add makes a line findable, which begins at a place in the file.
func (b *book) add(place int64, line []byte) error {
	var r struct {
		Kind   kind   `json:"kind"`
		Key    string `json:"key"`
		Answer struct {
			ID        string `json:"id"`
			ChargeID  string `json:"charge_id"`
			Reference string `json:"merchant_reference"`
		} `json:"answer"`
	}
	if err := jsonv2.Unmarshal(line, &r); err != nil { // every start reads all lines: in half the time of encoding/json
		return err
	}
	switch r.Kind {
	case charged:
		b.names.add(chargeName(r.Answer.ID), place)
		b.names.add(referenceName(r.Answer.Reference), place)
	case refunded:
		if len(b.names.find(chargeName(r.Answer.ChargeID))) == 0 {
			return fmt.Errorf("refund %s of charge %s that is not in the ledger", r.Answer.ID, r.Answer.ChargeID)
		}
		b.names.add(chargeName(r.Answer.ChargeID), place)
	case declined, refused: // no money moved; the answer alone is kept
	default:
		return fmt.Errorf("unknown kind %q", r.Kind)
	}
	if r.Kind == charged || r.Kind == refunded {
		if b.movements%stride == 0 {
			b.marks = append(b.marks, place)
		}
		b.movements++
	}
	if r.Key != "" {
		b.names.add(keyName(r.Key), place)
	}
	return nil
}

// decide adds a record behind the end of the file.
func (b *book) decide(r *record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	place := b.file.end + int64(len(b.decided))
	b.decided = append(append(b.decided, line...), '\n')
	return b.add(place, line)
}

// forget takes back what was decided since there were so many movements and names.
func (b *book) forget(movements, names int) {
	b.movements, b.marks = movements, b.marks[:(movements+stride-1)/stride]
	b.names.shrink(names)
}

// records are those that may have a name, the oldest first.
func (b *book) records(name string) []*record {
	var found []*record
	for _, place := range slices.Backward(b.names.find(name)) {
		var from io.Reader = io.NewSectionReader(b.file.f, place, math.MaxInt64-place)
		if place >= b.file.end {
			from = bytes.NewReader(b.decided[place-b.file.end:])
		}
		r := &record{}
		if err := json.NewDecoder(from).Decode(r); err != nil {
			b.err = fmt.Errorf("read the ledger at byte %d: %w", place, err)
			return nil
		}
		found = append(found, r)
	}
	return found
}

// answer is the record with a key; nil: there is none.
func (b *book) answer(key string) *record {
	for _, r := range b.records(keyName(key)) {
		if r.Key == key {
			return r
		}
	}
	return nil
}

// account is the charge with an id; nil: there is none.
func (b *book) account(id string) *account {
	var a *account
	for _, r := range b.records(chargeName(id)) {
		charge, refund := api.Charge{}, api.Refund{}
		if r.Kind == charged && b.decode(r, &charge) && charge.Id == id {
			a = &account{charge: charge, method: r.Method}
		}
		if r.Kind == refunded && b.decode(r, &refund) && refund.ChargeId == id && a != nil {
			a.refunded += refund.Amount
			a.charge.Refunds = append(a.charge.Refunds, refund)
		}
	}
	return a
}

func (b *book) decode(r *record, into any) bool {
	err := json.Unmarshal(r.Answer, into)
	if err != nil {
		b.err = fmt.Errorf("read the ledger: %w", err)
	}
	return err == nil
}

// find is what was captured under a merchant's reference.
func (b *book) find(reference string) []api.Charge {
	found := []api.Charge{}
	for _, r := range b.records(referenceName(reference)) {
		var charge api.Charge
		if !b.decode(r, &charge) || charge.MerchantReference != reference {
			continue
		}
		if a := b.account(charge.Id); a != nil {
			found = append(found, a.charge)
		}
	}
	return found
}

// page is the movements after the first so many, at most limit of them.
func (b *book) page(after, limit int) page {
	from := min(after, b.movements)
	p := page{entries: min(limit, b.movements-from), next: from + min(limit, b.movements-from)}
	if p.entries > 0 {
		mark := b.marks[from/stride]
		p.lines, p.skip = io.NewSectionReader(b.file.f, mark, math.MaxInt64-mark), from%stride
	}
	return p
}
