package pacttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
)

// Step is what a service does on an event, in the transaction that the inbox would give it.
type Step func(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error)

// Outcome is what comes of a message at a service: the answer and what its tables hold then, what it makes up
// (moments, ids) left out. Nothing of it stays.
func Outcome(ctx context.Context, pool *pgxpool.Pool, message []byte, step Step, tables ...string) (
	outcome string, err error,
) {
	_, event, err := events.Decode(message)
	if err != nil {
		return "", err
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	answer, err := step(ctx, tx, event)
	if err != nil {
		return "", err
	}
	answered, err := json.Marshal(answer)
	if err != nil {
		return "", err
	}
	parts := []string{string(answered)}
	for _, table := range tables {
		var rows string
		name := pgx.Identifier{table}.Sanitize()
		all := `SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY to_jsonb(r))::text, '') FROM ` + name + ` r`
		err := tx.QueryRow(ctx, all).Scan(&rows)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", table, err)
		}
		parts = append(parts, rows)
	}
	return madeUp(strings.Join(parts, "\n"), string(message)), nil
}

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	numbers = regexp.MustCompile(`"position": \d+`)
	moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`)
)

// madeUp leaves out what is another one each time: moments, numbers of a sequence, and ids that the message does not
// have.
func madeUp(outcome, message string) string {
	outcome = numbers.ReplaceAllString(moments.ReplaceAllString(outcome, "…"), "…")
	return uuids.ReplaceAllStringFunc(outcome, func(id string) string {
		if strings.Contains(message, id) {
			return id
		}
		return "…"
	})
}
