package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/problem"
)

// Incident is something with which the service cannot, or could not, go on by itself.
type Incident struct {
	ID         string     `json:"id"`
	OrderID    string     `json:"order_id"`
	Kind       string     `json:"kind"`
	Reason     string     `json:"reason"`
	OpenedAt   time.Time  `json:"opened_at"`
	ResolvedAt *time.Time `json:"resolved_at"`
	Resolution *string    `json:"resolution"`
}

// Open reports whether it is not resolved yet.
func (i Incident) Open() bool { return i.ResolvedAt == nil }

// Cursor is its place in lists of incidents.
func (i Incident) Cursor() string { return Cursor(i.OpenedAt, i.ID) }

// Details are an incident with all that is known about it.
type Details struct {
	Incident
	State    any    `json:"state"`    // the present state of what it is about; null where the service has no Inspect
	Possible []Step `json:"possible"` // what can be done about it now
	Actions  []Done `json:"actions"`  // what was done, oldest first
}

// Done is an action as it was recorded.
type Done struct {
	At     time.Time       `json:"at"`
	By     string          `json:"by"`
	Why    string          `json:"why"`
	Action string          `json:"action"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// IncidentTarget is the kind of target of actions on incidents.
const IncidentTarget = "incident"

const incidentColumns = `id::text, order_id::text, kind, reason, opened_at, resolved_at, resolution`

func (i *Incident) fields() []any {
	return []any{&i.ID, &i.OrderID, &i.Kind, &i.Reason, &i.OpenedAt, &i.ResolvedAt, &i.Resolution}
}

// list is a page of incidents and one more, newest first; of one order where one is named.
func (a API) list(ctx context.Context, p page, order *uuid.UUID) ([]Incident, error) {
	onlyOpen := p.open != nil && *p.open
	rows, err := a.Pool.Query(ctx, `
		SELECT `+incidentColumns+` FROM incident
		WHERE ($1 IS FALSE OR resolved_at IS NULL) AND ($2::uuid IS NULL OR order_id = $2)
		  AND (opened_at, id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, '`+lastID+`'))
		ORDER BY opened_at DESC, incident.id DESC LIMIT $5`, pgx.QueryExecModeCacheDescribe, onlyOpen, order,
		p.since, p.id, p.limit+1)
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (i Incident, err error) {
		return i,
			row.Scan(i.fields()...)
	})
}

// Incident is the one with an id; a problem of status 404 when there is none.
func (a API) Incident(ctx context.Context, id string) (i Incident, err error) {
	key, err := uuid.Parse(id)
	if err != nil {
		return i, problem.New(http.StatusNotFound, "There is no such incident.")
	}
	err = a.Pool.QueryRow(ctx, `SELECT `+incidentColumns+` FROM incident WHERE id = $1`, key).Scan(i.fields()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, problem.New(http.StatusNotFound, "There is no such incident.")
	}
	if err != nil {
		return i, fmt.Errorf("read incident %s: %w", id, err)
	}
	return i, nil
}

func (a API) details(ctx context.Context, id string) (Details, error) {
	i, err := a.Incident(ctx, id)
	if err != nil {
		return Details{}, err
	}
	details := Details{Incident: i, Possible: append([]Step{}, closable(i)...)}
	inspect := a.Inspect
	if a.Waits.Kind != "" {
		inspect = func(ctx context.Context, i Incident) (any, []Step, error) { return a.Waits.inspect(ctx, a.Pool, i) }
	}
	if inspect != nil {
		state, possible, err := inspect(ctx, i)
		if err != nil {
			return Details{}, err
		}
		details.State, details.Possible = state, append(details.Possible, possible...)
	}
	details.Actions, err = a.history(ctx, IncidentTarget, i.ID)
	return details, err
}

// history is what was done to something.
func (a API) history(ctx context.Context, kind, id string) ([]Done, error) {
	rows, err := a.Pool.Query(ctx, `
		SELECT at, by, why, action, before, after FROM operator_action
		WHERE target_kind = $1 AND target_id = $2 ORDER BY at, id`, kind, id)
	if err != nil {
		return nil, fmt.Errorf("read what was done to %s %s: %w", kind, id, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Done])
}
