package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ordersaga/contracts/gateway"
	"example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/pkg/problem"
)

// payments takes charges and refunds: once per key, and as the test card demands.
type payments struct {
	ledger  *ledger
	times   Times
	tokens  map[string]Token
	faults  *atomic.Pointer[Faults]
	running sync.Map       // the keys that are being worked on in this process
	turned  map[string]int // how often a key was turned away; only decisions touch it, one at a time
	closing <-chan struct{}
	settles sync.WaitGroup
}

func newPayments(l *ledger, times Times, faults *atomic.Pointer[Faults], closing <-chan struct{}) *payments {
	p := &payments{
		ledger: l, times: times, faults: faults, closing: closing, tokens: map[string]Token{}, turned: map[string]int{},
	}
	for _, token := range Tokens() {
		p.tokens[token.Name] = token
	}
	return p
}

// Times are how long the gateway may take.
type Times struct {
	InFlightHorizon time.Duration // nothing is captured later than this after the request came
	SettleDelay     time.Duration // when tok_settles_late is captured
	SlowDelay       time.Duration // how long tok_slow takes
}

// keyed is the name of a request: what makes it the same as an earlier one.
type keyed struct {
	key         string
	fingerprint string
	received    time.Time
}

// outcome is what a request came to.
type outcome struct {
	answer   *record        // kept under the key; nil when there is a problem
	replayed bool           // the answer is an earlier request's
	damage   damage         // what happens to it on its way
	problem  *problem.Error // nothing was done, nothing is kept
	wait     delay          // nothing yet: to be decided when it has settled
}

// name gives a request its key and the fingerprint of its body. Two bodies that mean the same have the
// same fingerprint, however they were written.
func name(operation, key string, body any, received time.Time) keyed {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // the API's types always marshal
	}
	sum := sha256.Sum256(append([]byte(operation+"\n"), text...))
	return keyed{key: key, fingerprint: hex.EncodeToString(sum[:]), received: received}
}

// charge takes money from a card.
func (p *payments) charge(ctx context.Context, key keyed, body api.ChargeRequest) (outcome, error) {
	token, known := p.tokens[body.PaymentMethod]
	if !known {
		return unprocessable(api.UnknownCard, "/payment_method: this gateway knows no such card"), nil
	}
	if !gateway.Takes(body.Currency) {
		return unprocessable(api.UnsupportedCurrency, "/currency: this gateway does not take it"), nil
	}
	release, free := p.occupy(key.key)
	if !free {
		return inProgress(), nil
	}
	going := context.WithoutCancel(ctx) // what has begun is carried out, also when the client leaves
	out, err := do(going, p.ledger, func(b *book) (outcome, *record) { return p.decideCharge(b, key, body, token) })
	if err != nil || out.wait == promptly {
		release()
		return out, err
	}
	settled := p.settle(going, key, body, token, release)
	if out.wait == late {
		return problemOf(http.StatusGatewayTimeout, "the card's bank has not answered yet; ask again with the same key"), nil
	}
	select {
	case out = <-settled:
		return out, nil
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
}

// settle captures after the card's delay, also when the client has left. The key stays
// occupied until then. When the process ends first, nothing is captured.
func (p *payments) settle(ctx context.Context, key keyed, body api.ChargeRequest, token Token,
	release func()) <-chan outcome {
	after := p.times.SlowDelay
	if token.delay == late {
		after = p.times.SettleDelay
	}
	token.delay = promptly
	settled := make(chan outcome, 1)
	p.settles.Go(func() {
		defer release()
		select {
		case <-time.After(after):
		case <-p.closing:
			settled <- problemOf(http.StatusServiceUnavailable, "the gateway is shutting down; ask again with the same key")
			return
		}
		out, err := do(ctx, p.ledger, func(b *book) (outcome, *record) { return p.decideCharge(b, key, body, token) })
		if err != nil {
			out = problemOf(http.StatusInternalServerError, unsure)
		}
		settled <- out
	})
	return settled
}

// refund pays money back.
func (p *payments) refund(ctx context.Context, key keyed, body api.RefundRequest) (outcome, error) {
	release, free := p.occupy(key.key)
	if !free {
		return inProgress(), nil
	}
	defer release()
	return do(ctx, p.ledger, func(b *book) (outcome, *record) { return p.decideRefund(b, key, body) })
}

// occupy keeps a second request with the same key out while the first one is being worked on. It is a
// courtesy: two endpoints do not see each other's, and the ledger alone decides which one was first.
func (p *payments) occupy(key string) (release func(), free bool) {
	if _, taken := p.running.LoadOrStore(key, true); taken {
		return nil, false
	}
	return func() { p.running.Delete(key) }, true
}

const unsure = "something went wrong, and money may have moved; ask again with the same key"

func problemOf(status int, detail string) outcome {
	return outcome{problem: problem.New(status, detail)}
}

// refusalOf is a problem by which nothing was done, and by which nothing would be if the request came once more.
func refusalOf(status int, code api.ProblemCode, detail string) outcome {
	return outcome{problem: &problem.Error{Status: status, Code: string(code), Detail: detail}}
}

func unprocessable(code api.ProblemCode, detail string) outcome {
	return refusalOf(http.StatusUnprocessableEntity, code, detail)
}

func inProgress() outcome {
	return outcome{problem: &problem.Error{
		Status: http.StatusConflict, Detail: "a request with this key is being worked on", RetryAfter: time.Second,
	}}
}

// turnAway is the error for a card whose gateway is busy; nil once it was turned away often enough.
func (p *payments) turnAway(key string, b busy) *problem.Error {
	if b.times != forever && p.turned[key] >= b.times {
		delete(p.turned, key)
		return nil
	}
	if b.times != forever {
		p.turned[key]++
	}
	e := problem.New(b.status, fmt.Sprintf("%s; nothing was done, ask again with the same key", http.StatusText(b.status)))
	if b.status == http.StatusTooManyRequests || b.status == http.StatusConflict {
		e.RetryAfter = time.Second
	}
	return e
}
