package mailbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// remember writes the batch's event ids and returns the deliveries whose id is new. The ids are written in
// their own order, since two replicas that write the same two ids in different orders would deadlock. Where
// a replica is handling the same event right now, this waits for its commit, and then sees the row.
func remember(ctx context.Context, tx pgx.Tx, batch []delivery) ([]delivery, error) {
	sorted := slices.SortedFunc(slices.Values(batch), func(a, b delivery) int { return slices.Compare(a.id[:], b.id[:]) })
	ids, types, orders := make([]uuid.UUID, len(batch)), make([]string, len(batch)), make([]uuid.UUID, len(batch))
	for i, d := range sorted {
		ids[i], types[i], orders[i] = d.id, d.envelope.Type, d.order
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO inbox (event_id, type, order_id)
		SELECT event_id, type, order_id FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS row (event_id, type, order_id)
		ON CONFLICT DO NOTHING
		RETURNING event_id`, ids, types, orders)
	if err != nil {
		return nil, fmt.Errorf("write the inbox: %w", err)
	}
	written, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("write the inbox: %w", err)
	}
	return firstOf(batch, written), nil
}

// firstOf keeps the batch's order, and of an event that was delivered twice in it only the first.
func firstOf(batch []delivery, written []uuid.UUID) []delivery {
	news := make(map[uuid.UUID]bool, len(written))
	for _, id := range written {
		news[id] = true
	}
	fresh := make([]delivery, 0, len(written))
	for _, d := range batch {
		if news[d.id] {
			delete(news, d.id)
			fresh = append(fresh, d)
		}
	}
	return fresh
}
