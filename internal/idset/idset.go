// Package idset reads which orders a statement for many of them has changed.
package idset

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Query runs a statement that returns one column of texts, such as ids, and returns them as a set.
func Query(ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[string]bool, error) {
	rows, _ := tx.Query(ctx, sql, args...) // CollectRows has its error
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	set := make(map[string]bool, len(list))
	for _, id := range list {
		set[id] = true
	}
	return set, err
}
