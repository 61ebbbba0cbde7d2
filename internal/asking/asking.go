// Package asking is how a service that waits for others makes its request again when nobody answers: how often and
// when. The number of the attempt and the time of the last one stand in the row that waits.
package asking

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/httpserver"
)

const (
	// Most is how often a service asks by itself, the first time included. After that only an incident goes on, which
	// is open by then, and in which a person may ask once more.
	Most = 5
	// AtOnce is how many orders a round asks about: however many wait, the events of a second are few.
	AtOnce = 50
)

// Patience is how long a service waits before it asks again. Asking again at a steady pace would not help: what is
// asked within a day is forgotten by the stream on one day. So the last time is most of a day after the first.
type Patience struct {
	Budget time.Duration // before it asks for the second time
	Pause  time.Duration // before the third; later pauses are each thirty times as long (REPEAT_PAUSE)
}

// FromEnv reads the patience of a service from the environment: its budget from the named variable.
func FromEnv(getenv func(string) string, budget string, fallback time.Duration) (p Patience, err error) {
	if p.Budget, err = httpserver.Duration(getenv, budget, fallback); err != nil {
		return p, err
	}
	p.Pause, err = httpserver.Duration(getenv, "REPEAT_PAUSE", time.Minute)
	return p, err
}

// Due is the condition on a row that waits since a time, whose columns attempt and asked_at are those of the last
// request; its parameters are those of [Patience.Args].
func Due(since string) string {
	return fmt.Sprintf(`coalesce(asked_at, %s) <= now() - least($2::interval, $3::interval) AND attempt < %d
		AND coalesce(asked_at, %[1]s) <= now() -
		    CASE attempt WHEN 1 THEN $2 ELSE $3 * power(30, attempt - 2) END`, since, Most)
}

// Args are the first parameters of a statement with [Due]: how many rows at most, the budget, the pause.
func (p Patience) Args(more ...any) []any { return append([]any{AtOnce, p.Budget, p.Pause}, more...) }

// Reader is a pool or a transaction.
type Reader interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Request is one that waits for its answer, or did.
type Request struct {
	State   string `json:"state"`   // of the row that waits
	Attempt int    `json:"attempt"` // the number of the last one
	// NeedsOrder: the row is from before the order was stored in it; whoever has the request made again brings the order.
	NeedsOrder bool `json:"needs_order,omitempty"`
}
