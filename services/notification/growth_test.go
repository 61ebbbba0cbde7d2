package notification

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/testkit"
)

// sent is a history of mails that have left, two of each part of which wait.
func sent(ctx context.Context, owner *pgx.Conn, from, to int) error {
	_, err := owner.Exec(ctx, `
		INSERT INTO mail (order_id, kind, recipient, name, body, state, ended_at)
		SELECT lpad(to_hex(n), 32, '0')::uuid, 'received', 'ada@customers.example', 'Ada', 'A mail.',
			CASE WHEN n < $1 + 2 THEN 'WAITING' ELSE 'SENT' END, CASE WHEN n >= $1 + 2 THEN now() END
		FROM generate_series($1::int, $2::int) AS n`, from, to)
	return err
}

func TestStore_NothingGrowsWithTheMailsThatHaveLeft(t *testing.T) {
	t.Parallel()
	testkit.NothingGrows(t, database(t), sent, map[string]func(context.Context, *pgxpool.Pool) error{
		"a claim": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := claimMail(ctx, pool, time.Second)
			return err
		},
		"counting": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, _, err := countWaiting(ctx, pool)
			return err
		},
		"an order's mails": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := mailsOf(ctx, pool, "00000000-0000-0000-0000-000000000200")
			return err
		},
	})
}
