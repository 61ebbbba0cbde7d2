package adminapi

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// closed is what a person has done about an incident that no program can end.
const closed = "close"

// closable is what can be done about an incident of an order whose past is lost: what is wrong with it is found by a
// person, and put right elsewhere.
func closable(i Incident) []Step {
	if i.Kind != incident.KindLostCommits || !i.Open() {
		return nil
	}
	return []Step{{Action: closed, Means: "a person has made up for what was lost, and says how"}}
}

// close answers POST /incidents/{id}/close.
func (a API) close(r *http.Request, request idempotency.Request, c *closing) ([]byte, bool, error) {
	ctx := r.Context()
	i, err := a.Incident(ctx, chi.URLParam(r, "id"))
	if err != nil {
		return nil, false, err
	}
	return a.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		if len(closable(i)) == 0 {
			return Action{}, problem.New(http.StatusConflict, "This incident closes by itself, or has closed.")
		}
		if err := incident.Close(ctx, tx, a.Outbox.Service, i.OrderID, i.Kind, c.Why); err != nil {
			return Action{}, fmt.Errorf("close an incident: %w", err)
		}
		return Action{
			By: c.By, Why: c.Why, Action: closed, TargetKind: IncidentTarget, TargetID: i.ID,
			Before: map[string]bool{"open": true}, After: map[string]bool{"open": false},
			Answer: map[string]any{"incident_id": i.ID, "order_id": i.OrderID, "outcome": "closed"},
		}, nil
	})
}

// closing is a command.
type closing struct{ Command }

func (c *closing) check() error { return c.Check() }
