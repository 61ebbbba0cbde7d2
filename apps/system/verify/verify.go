// Package verify checks what must hold over the whole system, from outside and without changing anything:
// it reads the services' databases with the audit login, the gateway's own ledger, and the stream. What the
// payment service says about money is never believed; the gateway's ledger judges.
//
// Claims are read before effects: the order's database first, then inventory, payment, shipping, and the
// gateway last. So while the system runs, whoever claims something (an order is confirmed) must find the
// effect (the charge) in what was read later. Where that is not enough, since a new effect may belong to
// an order that was too young for the first look, verify looks again before it calls a difference a violation.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
)

// Invariant is one promise that the system makes.
type Invariant struct {
	ID       string
	Sentence string
	// AtRest: it need only hold when the faults are over and the system had time to finish.
	AtRest bool
	// OneLook: everything that it compares was read in one snapshot of one database, so that what was
	// seen once has been the case.
	OneLook bool
	// Whole: it is about all rows together, so that it cannot be judged of a part of the orders.
	Whole bool

	check func(context.Context, *look) ([]Offender, error) // of everything; may be nil
	each  judge                                            // order by order; may be nil
}

// judge finds what is wrong with an order, or with what was paid directly.
type judge func(context.Context, *look, *subject) ([]Offender, error)

// Offender is something that breaks an invariant.
type Offender struct {
	Key    string `json:"key"` // which order, SKU, message, …
	Detail string `json:"detail"`
}

// Options are what to check.
type Options struct {
	// AtRest checks everything, and waits up to Within for the system to come to rest. Without it only
	// those invariants are checked that hold at every instant.
	AtRest bool
	Within time.Duration
	// Acknowledged are the answers that clients got; what was promised there must be kept (I10, I17).
	Acknowledged []Acknowledged
	// AtMost is how many orders are looked at. With more, a check ends with [ErrTooMany]. Zero: however many there are.
	AtMost int
	// Since narrows a check to the orders that were placed or changed no longer ago. Zero: all.
	Since time.Duration
	// Progress gets a line every few seconds; may be nil.
	Progress func(line string)
	// TooOld is how long an event may wait to be published, or acknowledged (I21). Zero: a third of the time that the
	// stream keeps it.
	TooOld time.Duration
	// Secrets must not stand in any log or event (I18), besides what the description of the system holds.
	Secrets []string
}

// Acknowledged is an answer that a client got to an order.
type Acknowledged struct {
	OrderID string
	Key     string // the Idempotency-Key; empty: unknown
	Body    []byte // the answer's body; nil: unknown
}

// Result is whether an invariant holds. One that was not judged does.
type Result struct {
	ID        string     `json:"id"`
	Sentence  string     `json:"sentence"`
	Holds     bool       `json:"holds"`
	NotJudged bool       `json:"not_judged,omitempty"` // it is about all orders together, and some were looked at
	Offenders []Offender `json:"offenders,omitempty"`
}

// Report is what a check found.
type Report struct {
	Holds   bool          `json:"holds"`
	Results []Result      `json:"results"`
	Counted Counted       `json:"counted"`
	Took    time.Duration `json:"took_ns"`
	// OldestEvent waits to be published, or acknowledged by its consumer. Without the broker's answer, which Broker
	// lacks then, only the outboxes are known.
	OldestEvent Age  `json:"oldest_event"`
	OldestOrder Age  `json:"oldest_order"` // is not at rest, and has no open incident with an action
	Broker      bool `json:"broker"`       // it has answered
}

// Counted is how much was looked at, so that a check of nothing does not pass for a success.
type Counted struct {
	Orders   int `json:"orders"`
	Charges  int `json:"charges"`
	Refunds  int `json:"refunds"`
	Messages int `json:"messages"`
}

const (
	// confirmations is how often a difference between two sources must be seen in a row to be believed.
	confirmations = 3
	// between two looks, so that a message that was under way has arrived.
	between = 300 * time.Millisecond
)

// ErrTooMany means that there are more orders than were to be looked at.
var ErrTooMany = errors.New("there are more orders than are to be looked at")

// Check looks at the system until everything is decided. An error means that it could not look.
func Check(ctx context.Context, system endpoints.Description, o Options) (Report, error) {
	began := time.Now()
	source, err := open(ctx, system, o)
	if err != nil {
		return Report{}, err
	}
	defer source.close(context.WithoutCancel(ctx))

	v := newVerdicts(o)
	for {
		at, err := source.look(ctx, v.invariants())
		if err != nil {
			return Report{}, err
		}
		v.add(at)
		at.close(context.WithoutCancel(ctx))
		if v.decided(time.Since(began) >= o.Within) {
			return v.report(time.Since(began)), nil
		}
		if err := pause(ctx, between); err != nil {
			return Report{}, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("stopped before everything was decided: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
