package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/problem"
)

// Table is one of a service's tables, as far as it is about an order.
type Table struct {
	Name string
	SQL  string // selects the rows of the order $1, oldest first, without what concerns nobody else
}

// OrderRows are all rows that a service has about an order, read in one snapshot.
type OrderRows struct {
	Since  time.Time `json:"since"` // this process has been at work since then
	Tables []Rows    `json:"tables"`
}

// Rows are those of one table, each an object whose members are its columns.
type Rows struct {
	Table string            `json:"table"`
	Rows  []json.RawMessage `json:"rows"`
	More  bool              `json:"more"` // there are more rows than these
}

const (
	// mostRows is how many rows are shown of a table; an order has one to ten.
	mostRows = 100
	// mostEvents is how many events may be named in a request: with more, its line would be too long to be read.
	mostEvents = 200
)

var incidents = Table{"incident", `
	SELECT id, kind, reason, opened_at, resolved_at, resolution FROM incident WHERE order_id = $1 ORDER BY opened_at, id`}

// boxes are the outbox's large tables. They have no index by order, since nothing on the saga's way asks for
// one: their rows are found by the events that are named ($2).
var boxes = []Table{
	{"inbox", `SELECT event_id, type, received_at FROM inbox WHERE event_id = ANY ($2) AND key = $1 ORDER BY received_at`},
	{"outbox", `
		SELECT id, type, created_at, published_at, stream_seq FROM outbox
		WHERE id IN (SELECT unnest($2::uuid[]) UNION SELECT id FROM outbox_due) AND key = $1 ORDER BY position`},
}

// getRows answers GET /rows?order=ID&event=ID&event=…
func (a API) getRows(since time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		order, err := uuid.Parse(r.URL.Query().Get("order"))
		if err != nil {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "order is the id of an order, a UUID."))
			return
		}
		named := r.URL.Query()["event"]
		if len(named) > mostEvents {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "Name at most 200 events."))
			return
		}
		ids := make([]uuid.UUID, len(named))
		for i, name := range named {
			if ids[i], err = uuid.Parse(name); err != nil {
				problem.Write(w, r, problem.New(http.StatusBadRequest, "event is the id of an event, a UUID."))
				return
			}
		}
		shown := OrderRows{Since: since}
		if shown.Tables, err = a.rows(r.Context(), order, ids); err != nil {
			problem.Write(w, r, err)
			return
		}
		write(w, r, shown)
	}
}

// rows reads all tables in one snapshot, so that they agree with each other.
func (a API) rows(ctx context.Context, order uuid.UUID, named []uuid.UUID) (all []Rows, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, a.Pool, snapshot, func(tx pgx.Tx) error {
		for _, table := range append(slices.Clone(a.Tables), incidents) {
			if err := read(ctx, tx, &all, table, order); err != nil {
				return err
			}
		}
		for _, table := range boxes {
			if err := read(ctx, tx, &all, table, order, named); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

func read(ctx context.Context, tx pgx.Tx, all *[]Rows, table Table, args ...any) error {
	sql := fmt.Sprintf(`SELECT row_to_json(shown) FROM (%s) AS shown LIMIT %d`, table.SQL, mostRows+1)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read the rows in %s: %w", table.Name, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[json.RawMessage])
	if err != nil {
		return fmt.Errorf("read the rows in %s: %w", table.Name, err)
	}
	shown, more := Cut(found, mostRows, func(json.RawMessage) string { return "" })
	*all = append(*all, Rows{table.Name, shown, more != nil})
	return nil
}
