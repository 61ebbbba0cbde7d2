package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// Waits is for a service that waits for others and makes its request again when nobody answers: how a person has it
// made once more.
type Waits struct {
	Kind string // of the incident of an order that waits for too long; empty: the service waits for nobody
	Whom string // is asked
	// For is the request about an order; Repeat makes it once more, and returns no event where it does not wait any more.
	For    func(ctx context.Context, db asking.Reader, orderID string) (asking.Request, error)
	Repeat func(ctx context.Context, tx pgx.Tx, orderID string) ([]events.Event, error)
	// Complete stores the order of a request that needs one; optional where none does. Its problems are the operator's.
	Complete func(ctx context.Context, tx pgx.Tx, orderID string, order events.Snapshot) error
}

// askAgain is a command.
type askAgain struct {
	Command
	ExpectedState string           `json:"expected_state"` // in which the operator has seen it
	Order         *events.Snapshot `json:"order"`          // where the request needs it; see [Waits.Complete]
}

func (c *askAgain) check() error {
	if c.ExpectedState == "" {
		return problem.New(http.StatusBadRequest, "Say expected_state: how the order stood when you decided.")
	}
	return c.Check()
}

// inspect shows what an incident of a service that waits is about, and that it can ask again.
func (w Waits) inspect(ctx context.Context, db asking.Reader, i Incident) (any, []Step, error) {
	if i.Kind != w.Kind {
		return nil, nil, nil
	}
	request, err := w.For(ctx, db, i.OrderID)
	if err != nil || !i.Open() {
		return request, nil, err
	}
	means := fmt.Sprintf("%s is asked again, at once, as attempt %d", w.Whom, request.Attempt+1)
	if request.NeedsOrder {
		means += "; the command brings the order, which is not stored here"
	}
	return request, []Step{{Action: "retry", Means: means}}, nil
}

// complete stores the order that a command brings, where it is needed.
func (w Waits) complete(ctx context.Context, tx pgx.Tx, orderID string, needed bool, order *events.Snapshot) error {
	switch {
	case !needed:
		return nil
	case order == nil || w.Complete == nil:
		return problem.New(http.StatusBadRequest,
			"The order is from before an upgrade, and is not stored here: the command has to bring it, as `order`.")
	}
	if encoded, err := json.Marshal(order); err != nil {
		return fmt.Errorf("encode an order: %w", err)
	} else if err := payload.Validate(events.InventoryReserved{}.Type(), encoded); err != nil {
		return problem.New(http.StatusBadRequest, "This is no order: "+err.Error()+".")
	}
	return w.Complete(ctx, tx, orderID, *order)
}

// retry answers POST /incidents/{id}/retry: the request is made once more, however often it was made.
func (a API) retry(r *http.Request, request idempotency.Request, c *askAgain) ([]byte, bool, error) {
	ctx := r.Context()
	incident, err := a.Incident(ctx, chi.URLParam(r, "id"))
	if err != nil {
		return nil, false, err
	}
	return a.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		refuse := func(why string) (Action, error) { return Action{}, problem.New(http.StatusConflict, why) }
		if incident.Kind != a.Waits.Kind || !incident.Open() {
			return refuse("Nothing can be done about this incident: it closes by itself, or has closed.")
		}
		before, err := a.Waits.For(ctx, tx, incident.OrderID)
		if err != nil {
			return Action{}, err
		}
		if before.State != c.ExpectedState {
			return refuse(fmt.Sprintf("The order is %s, not %s any more.", before.State, c.ExpectedState))
		}
		if err := a.Waits.complete(ctx, tx, incident.OrderID, before.NeedsOrder, c.Order); err != nil {
			return Action{}, err
		}
		again, err := a.Waits.Repeat(ctx, tx, incident.OrderID)
		if err != nil {
			return Action{}, err
		}
		if len(again) == 0 {
			return refuse("The order does not wait any more.")
		}
		if err := messaging.Publish(ctx, tx, again...); err != nil {
			return Action{}, err
		}
		after, err := a.Waits.For(ctx, tx, incident.OrderID)
		if err != nil {
			return Action{}, err
		}
		return Action{
			By: c.By, Why: c.Why, Action: "retry", TargetKind: IncidentTarget, TargetID: incident.ID,
			Before: before, After: after, Answer: map[string]any{
				"incident_id": incident.ID, "order_id": incident.OrderID, "outcome": "asked", "before": before, "after": after,
			},
		}, nil
	})
}
