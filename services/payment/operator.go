package payment

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// operator is the desk of the people who repair payments. An action is three steps, like a worker's: look at the
// payment, ask the gateway outside of any transaction, and finish in one that finds the payment as the operator saw it.
type operator struct {
	*workers
	desk adminapi.Desk
}

func newOperator(w *workers, box *messaging.Outbox) operator {
	o := operator{workers: w}
	o.desk = adminapi.Desk{Pool: w.pool, Transact: w.do, Outbox: box, Faults: w.faults, Look: o.look, Keeps: keeps}
	return o
}

// routes are what payment adds to the admin listener.
func (o operator) routes(r chi.Router) {
	o.desk.Routes(r)
	r.Post("/incidents/{id}/retry", o.handle(retryIt))
	r.Post("/incidents/{id}/resolve", o.handle(resolveIt))
}

// wish is what an operator wants. The state, and for a refund its number, are those that the operator has seen.
type wish struct {
	adminapi.Wish
	ExpectedState  State  `json:"expected_state"`
	ExpectedNumber int    `json:"expected_refund_number"`
	Outcome        string `json:"outcome"`   // of a resolve
	RefundID       string `json:"refund_id"` // of the outcome refund
	Reference      string `json:"reference"` // of a settlement, at whoever made it
}

// name is the wish in the operator's words.
func (w wish) name() string {
	if w.Outcome == "" {
		return retryIt
	}
	return resolveIt + " " + w.Outcome
}

const maxReference = 200

// check says what is missing or does not belong together.
func (w wish) check(action string) error {
	bad := func(detail string) error { return problem.New(http.StatusBadRequest, detail) }
	refunds := w.ExpectedState == Refunding || w.ExpectedState == RefundRefused
	switch {
	case w.ExpectedState == "":
		return bad("Say expected_state: how the payment stood when you decided.")
	case refunds != (w.ExpectedNumber > 0):
		return bad("Say expected_refund_number with the states REFUNDING and REFUND_REFUSED, and with no other.")
	case (action == retryIt) != (w.Outcome == ""):
		return bad("A resolve says its outcome, a retry says none.")
	case w.Outcome != "" && w.Outcome != asCaptured && w.Outcome != asDeclined && w.Outcome != asRefund &&
		w.Outcome != asSettled:
		return bad("The outcome is captured, declined, refund or settlement.")
	case (w.RefundID != "") != (w.Outcome == asRefund && w.ExpectedState == RefundRefused):
		return bad("The outcome refund of a refused refund says refund_id, nothing else does.")
	case (w.Reference != "") != (w.Outcome == asSettled):
		return bad("The outcome settlement says its reference, nothing else does.")
	case len(w.Reference) > maxReference || strings.ContainsRune(w.Reference+w.RefundID, 0):
		return bad("A reference has at most 200 bytes.")
	}
	return w.Check()
}

// handle answers POST /incidents/{id}/retry and /resolve.
func (o operator) handle(action string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var wanted wish
		request, err := adminapi.Read(w, r, &wanted)
		if err == nil {
			err = wanted.check(action)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		answer, replayed, err := o.act(r.Context(), chi.URLParam(r, "id"), request, wanted)
		if err != nil {
			problem.Write(w, r, asProblem(err))
			return
		}
		adminapi.Answer(w, answer, replayed)
	}
}

// asProblem lets the operator read why an action would be wrong.
func asProblem(err error) error {
	if reason, ok := errors.AsType[refused](err); ok {
		return problem.New(http.StatusConflict, string(reason))
	}
	return err
}

// act does what an operator wants, once. A request that is refused may be the second of two under one key, the first of
// which has changed the payment in the meantime: then its answer is this one's, too.
func (o operator) act(ctx context.Context, id string, request idempotency.Request, w wish) ([]byte, bool, error) {
	answer, found, err := adminapi.Answered(ctx, o.pool, request)
	if err != nil || found {
		return answer, found, err
	}
	answer, replayed, err := o.repairNow(ctx, id, request, w)
	if _, late := errors.AsType[refused](err); late {
		if answer, found, failed := adminapi.Answered(ctx, o.pool, request); failed != nil || found {
			return answer, found, failed
		}
	}
	return answer, replayed, err
}

func (o operator) repairNow(ctx context.Context, id string, request idempotency.Request, w wish) ([]byte, bool, error) {
	incident, err := o.desk.Incident(ctx, id)
	if err != nil {
		return nil, false, err
	}
	p, definite, err := o.see(ctx, incident, w)
	if err != nil {
		return nil, false, err
	}
	shown, err := o.ask(ctx, p, w)
	if err != nil {
		return nil, false, err
	}
	answer, replayed, err := o.desk.Do(ctx, request, func(tx pgx.Tx) (adminapi.Action, error) {
		return o.finishRepair(ctx, tx, incident, w, sight{shown, definite})
	})
	if err == nil && !replayed {
		o.log.InfoContext(ctx, "operator's action done", "order_id", incident.OrderID, "event", w.name(), "incident_id", id,
			"by", w.By)
		o.poke()
	}
	return answer, replayed, err
}

// see is the payment before anybody is asked about it; a wish that comes too late costs no call. It also says until
// when requests for the charge were sent, where all of them are behind the horizon already: only then will it be
// definite when the gateway shows none.
func (o operator) see(ctx context.Context, incident adminapi.Incident,
	w wish) (p Payment, definite *time.Time, err error) {
	if !incident.Open() {
		return p, nil, refuse("The incident is resolved: %s.", *incident.Resolution)
	}
	if incident.Kind == kindReconciliation {
		return p, nil, refuse("This incident closes by itself when the ledgers agree.")
	}
	r, err := paymentOf(ctx, o.pool, incident.OrderID)
	if err != nil {
		return p, nil, err
	}
	if err := r.as(w); err != nil {
		return p, nil, err
	}
	definite, err = behindHorizon(ctx, o.pool, incident.OrderID, o.Horizon)
	return r.Payment, definite, err
}

// ask is what the gateway shows for the payment. Nothing is done on a guess: without an answer nothing changes.
func (o operator) ask(ctx context.Context, p Payment, w wish) ([]said, error) {
	if w.Outcome == "" && p.State != RefundRefused { // the workers will ask
		return nil, nil
	}
	shown, err := o.gateway.lookUp(ctx, Claim{Payment: p})
	if err != nil {
		return nil, &problem.Error{
			Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "Nothing was changed, since the payment could not be looked up: " + err.Error() + ".",
		}
	}
	return shown, nil
}
