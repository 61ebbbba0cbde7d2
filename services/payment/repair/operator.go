// Package repair is what people do about payments that payment cannot decide by itself. An action is three steps, like
// a worker's: load the payment, ask the gateway outside of any transaction, and finish in one that finds the payment as
// the operator saw it.
package repair

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/charge"
)

// Operator carries out the actions of people.
type Operator struct {
	app     *service.App
	admin   adminapi.API
	gateway lookUp
	horizon time.Duration
	wake    charge.Wake // of the workers, for a retry
}

// lookUp shows what the gateway has of a payment, and gives back what was not ours: [charge.Gateway].
type lookUp interface {
	LookUp(ctx context.Context, p charge.Payment) ([]charge.GatewayResponse, error)
	Refund(ctx context.Context, p charge.Payment) charge.Outcome
}

// New adds repairs to a service's admin API. Horizon is the gateway's promise, see [charge.Settings].
func New(app *service.App, admin adminapi.API, gateway *charge.Gateway, horizon time.Duration,
	wake charge.Wake) Operator {
	o := Operator{app, admin, gateway, horizon, wake}
	o.admin.Inspect = o.describe
	return o
}

// Routes are those of the admin listener.
func (o Operator) Routes(r chi.Router) {
	o.admin.Routes(r)
	r.Post("/incidents/{id}/retry", o.handle(actionRetry))
	r.Post("/incidents/{id}/resolve", o.handle(actionResolve))
}

// command is what an operator asks for. The state, and for a refund its number, are those that the operator has seen.
type command struct {
	adminapi.Command
	ExpectedState  charge.State `json:"expected_state"`
	ExpectedNumber int          `json:"expected_refund_number"`
	Outcome        string       `json:"outcome"`   // of a resolve
	RefundID       string       `json:"refund_id"` // of the outcome refund
	Reference      string       `json:"reference"` // of a settlement, at whoever made it
}

// name is the command in the operator's words.
func (c command) name() string {
	if c.Outcome == "" {
		return actionRetry
	}
	return actionResolve + " " + c.Outcome
}

const maxReference = 200

// check refuses what is missing or does not belong together.
func (c command) check(action string) error {
	bad := func(detail string) error { return problem.New(http.StatusBadRequest, detail) }
	refunds := c.ExpectedState == charge.Refunding || c.ExpectedState == charge.RefundRefused
	switch {
	case c.ExpectedState == "":
		return bad("Say expected_state: how the payment stood when you decided.")
	case refunds != (c.ExpectedNumber > 0):
		return bad("Say expected_refund_number with the states REFUNDING and REFUND_REFUSED, and with no other.")
	case (action == actionRetry) != (c.Outcome == ""):
		return bad("A resolve says its outcome, a retry says none.")
	case c.Outcome != "" && c.Outcome != asCaptured && c.Outcome != asDeclined && c.Outcome != asRefund &&
		c.Outcome != asSettled:
		return bad("The outcome is captured, declined, refund or settlement.")
	case (c.RefundID != "") != (c.Outcome == asRefund && c.ExpectedState != charge.Unknown):
		return bad("The outcome refund names refund_id, unless the charge is UNKNOWN; nothing else does.")
	case (c.Reference != "") != (c.Outcome == asSettled):
		return bad("The outcome settlement says its reference, nothing else does.")
	case len(c.Reference) > maxReference || strings.ContainsRune(c.Reference+c.RefundID, 0):
		return bad("A reference has at most 200 bytes.")
	}
	return c.Check()
}

// handle answers POST /incidents/{id}/retry and /resolve.
func (o Operator) handle(action string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c command
		request, err := adminapi.Read(w, r, &c)
		if err == nil {
			err = c.check(action)
		}
		var answer []byte
		var replayed bool
		if err == nil {
			answer, replayed, err = o.act(r.Context(), chi.URLParam(r, "id"), request, c)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		adminapi.Answer(w, answer, replayed)
	}
}

// act carries a command out, once. A request that is refused may be the second of two under one key, the first of
// which has changed the payment in the meantime: then its answer is this one's, too.
func (o Operator) act(ctx context.Context, id string, request idempotency.Request, c command) ([]byte, bool, error) {
	answer, found, err := adminapi.Answered(ctx, o.app.Pool, request)
	if err != nil || found {
		return answer, found, err
	}
	answer, replayed, err := o.repair(ctx, id, request, c)
	if refusal, ok := errors.AsType[*problem.Error](err); ok && refusal.Status == http.StatusConflict {
		if answer, found, failed := adminapi.Answered(ctx, o.app.Pool, request); failed != nil || found {
			return answer, found, failed
		}
	}
	return answer, replayed, err
}

func (o Operator) repair(ctx context.Context, id string, request idempotency.Request, c command) ([]byte, bool, error) {
	incident, err := o.admin.Incident(ctx, id)
	if err != nil {
		return nil, false, err
	}
	found, err := o.load(ctx, incident, c)
	if err != nil {
		return nil, false, err
	}
	answer, replayed, err := o.admin.Do(ctx, request, func(tx pgx.Tx) (adminapi.Action, error) {
		return finish(ctx, tx, incident, c, found)
	})
	if err == nil && !replayed {
		o.app.Log.InfoContext(ctx, "operator's action done", "order_id", incident.OrderID, "event", c.name(),
			"incident_id", id, "by", c.By)
		o.wake.Signal()
	}
	return answer, replayed, err
}

// evidence is what was found out before the transaction.
type evidence struct {
	shown    []charge.GatewayResponse // by the gateway
	definite *time.Time               // see [behindHorizon]
	accepted []string                 // what an operator has taken note of
	payment  charge.Payment           // as it was then
}

// load looks at the payment and asks the gateway about it. A command that comes too late costs no call. It also notes
// until when requests for the charge were sent, where all of them are behind the horizon already: only then will it be
// definite when the gateway shows none. Nothing is done on a guess: without an answer nothing changes.
func (o Operator) load(ctx context.Context, incident adminapi.Incident, c command) (found evidence, err error) {
	if !incident.Open() {
		return found, refuse("The incident is resolved: %s.", *incident.Resolution)
	}
	p, err := o.payment(ctx, incident.OrderID)
	if err != nil {
		return found, err
	}
	if err := requireState(p, c); err != nil {
		return found, err
	}
	differ := incident.Kind == charge.KindReconciliation
	if c.Outcome == "" && p.State != charge.RefundRefused && !differ { // the workers will ask
		return found, nil
	}
	if found, err = o.look(ctx, p, differ); err != nil || !differ || c.Outcome != "" {
		return found, err
	}
	if err := o.refundStrays(ctx, p, found); err != nil {
		return found, err
	}
	return o.look(ctx, p, differ)
}

// payment is that of an order, or a payment in the state [none].
func (o Operator) payment(ctx context.Context, orderID string) (charge.Payment, error) {
	p, err := charge.Load(ctx, o.app.Pool, orderID)
	if errors.Is(err, pgx.ErrNoRows) { // the gateway's ledger shows an order that we do not know
		return charge.Payment{OrderID: orderID, State: none}, nil
	}
	return p, err
}

// look asks the gateway about a payment that only its answer can decide, or whose ledgers differ.
func (o Operator) look(ctx context.Context, p charge.Payment, differ bool) (found evidence, err error) {
	found.payment = p
	if !differ && p.State != charge.Unknown && p.State != charge.RefundRefused && p.State != charge.Captured {
		return found, nil
	}
	if found.accepted, err = o.accepted(ctx, p.OrderID); err != nil {
		return found, err
	}
	if found.definite, err = behindHorizon(ctx, o.app.Pool, p.OrderID, o.horizon); err != nil {
		return found, err
	}
	if found.shown, err = o.gateway.LookUp(ctx, p); err != nil {
		return evidence{payment: p}, &problem.Error{
			Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "Nothing was changed, since the payment could not be looked up: " + err.Error() + ".",
		}
	}
	return found, nil
}
