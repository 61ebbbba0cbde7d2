package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// getDatabase answers GET /database: whether the service uses its database, and why not; see package lostcommits.
func (a API) getDatabase(w http.ResponseWriter, r *http.Request) { write(w, r, a.Guard.State()) }

// decideTime is how long it may take until the database is used again.
const decideTime = 10 * time.Second

// decision is a command.
type decision struct{ Command }

func (d *decision) check() error { return d.Check() }

// acceptDatabase answers POST /database/accept: a person decides that the database is used as it is, where the stream
// does not go back far enough to make up for what is lost. The database itself records who did.
func (a API) acceptDatabase(r *http.Request, request idempotency.Request, d *decision) ([]byte, bool, error) {
	before := a.Guard.State()
	if before.Used {
		answer, replayed, err := Answered(r.Context(), a.Pool, request)
		if err == nil && !replayed {
			err = problem.New(http.StatusConflict, "The database is used.")
		}
		return answer, replayed, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), decideTime)
	defer cancel()
	if err := a.Guard.AcceptAsItIs(ctx); err != nil {
		return nil, false, &problem.Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "Not yet: " + err.Error() + ". Try again."}
	}
	return a.Do(r.Context(), request, func(pgx.Tx) (Action, error) {
		after := a.Guard.State()
		return Action{By: d.By, Why: d.Why, Action: "accept", TargetKind: "database", TargetID: string(a.Outbox.Service),
			Before: before, After: after, Answer: after}, nil
	})
}
