package gateway

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/contracts/gateway/api"
)

// decideCharge is what one charge comes to, in view of everything that was written before it.
func (p *payments) decideCharge(b *book, key keyed, body api.ChargeRequest, token Token) (outcome, *record) {
	if out, done := p.already(b, key); done {
		return out, nil
	}
	if e := p.turnAway(key.key, token.busy); e != nil {
		return outcome{problem: e}, nil
	}
	if token.delay != promptly {
		return outcome{wait: token.delay}, nil
	}
	if token.decline != "" {
		r := newRecord(declined, key, api.Decline{
			Status: api.Declined, DeclineCode: token.decline,
			MerchantReference: body.MerchantReference, Amount: body.Amount, Currency: body.Currency,
		})
		return outcome{answer: r}, r
	}
	r := newRecord(charged, key, newCharge(body.MerchantReference, body.Amount+token.extra, body.Currency))
	r.Method = token.Name
	return outcome{answer: r, damage: token.damage}, r
}

// decideRefund is what one refund comes to.
func (p *payments) decideRefund(b *book, key keyed, body api.RefundRequest) (outcome, *record) {
	if out, done := p.already(b, key); done {
		return out, nil
	}
	a := b.account(body.ChargeId)
	switch {
	case a == nil:
		return refusalOf(http.StatusNotFound, api.UnknownCharge, "there is no charge with this id"), nil
	case a.charge.Currency != body.Currency:
		return unprocessable(api.OtherCurrency, "/currency: the charge was made in another one"), nil
	case body.Amount > a.charge.Amount-a.refunded:
		return refuse(key, a, body, "more_than_captured")
	}
	token := p.tokens[a.method]
	if e := p.turnAway(key.key, token.refundBusy); e != nil {
		return outcome{problem: e}, nil
	}
	if p.faults.Load().refuses(token) {
		return refuse(key, a, body, "refund_refused")
	}
	r := newRecord(refunded, key, api.Refund{
		Id: newID("re_"), ChargeId: a.charge.Id, MerchantReference: a.charge.MerchantReference,
		Amount: body.Amount, Currency: body.Currency, Status: api.RefundStatusSucceeded, CreatedAt: time.Now().UTC(),
	})
	return outcome{answer: r, damage: token.refundDamage}, r
}

func refuse(key keyed, a *account, body api.RefundRequest, code string) (outcome, *record) {
	r := newRecord(refused, key, api.Refusal{
		Status: api.Refused, RefusalCode: code, ChargeId: a.charge.Id, MerchantReference: a.charge.MerchantReference,
		Amount: body.Amount, Currency: body.Currency,
	})
	return outcome{answer: r}, r
}

// already is the first check of every request: whether its key has an answer, and whether it comes too late. A request
// that waited for longer than the horizon, here or for the lock, must not move money any more: its sender may already
// rely on that.
func (p *payments) already(b *book, key keyed) (out outcome, done bool) {
	if r := b.answer(key.key); r != nil {
		if r.Fingerprint != key.fingerprint {
			return unprocessable(api.KeyReused, "this Idempotency-Key belongs to another request"), true
		}
		return outcome{answer: r, replayed: true}, true
	}
	if time.Since(key.received) > p.times.InFlightHorizon {
		return problemOf(http.StatusServiceUnavailable,
			"the request waited for too long; nothing was done, ask again with the same key"), true
	}
	return outcome{}, false
}

func newCharge(reference string, amount int64, currency string) api.Charge {
	return api.Charge{
		Id: newID("ch_"), MerchantReference: reference, Amount: amount, Currency: currency,
		Status: api.ChargeStatusSucceeded, CreatedAt: time.Now().UTC(), Refunds: []api.Refund{},
	}
}

func newID(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	return prefix + hex.EncodeToString(id[:])
}
