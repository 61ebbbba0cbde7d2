package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Refusal is why a server is not worked with, in a sentence. Trying again does not help.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// What is wrong with an address.
const (
	UndeclaredPooler Refusal = "DATABASE_URL leads to a pooler: set DATABASE_POOLER=transaction"
	UnsuitablePooler Refusal = "DATABASE_POOLER is set, but DATABASE_URL leads to no pooler in transaction mode that " +
		"knows prepared statements: PgBouncer 1.21 or newer with max_prepared_statements above 0 is needed"
	PooledMigrations Refusal = "MIGRATIONS_URL leads through a pooler in transaction mode: it has to lead to the " +
		"database itself"
)

// ThroughPooler is for a pool whose connections lead through a pooler in transaction mode. A pooler refuses parameters
// that it cannot keep for each of its clients: none are sent, and the defaults of the login hold (roles.sql).
func ThroughPooler(config *pgxpool.Config) {
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		c.RuntimeParams = map[string]string{"application_name": c.RuntimeParams["application_name"]}
		return nil
	}
}

// Pooled reports whether a connection leads through a pooler in transaction mode that knows prepared statements. It
// gives them other names, since several clients share a connection of the server.
func Pooled(ctx context.Context, conn *pgx.Conn) (pooled bool, err error) {
	const name = "ordersaga_is_renamed"
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Prepare(ctx, name, `SELECT 1`); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = $1)`, name).Scan(&pooled)
	})
	return pooled, errors.Join(err, conn.Deallocate(ctx, name))
}

// IsPoolers reports whether an error is one that only a pooler causes: it does not take a parameter, or one client has
// met the prepared statement of another.
func IsPoolers(err error) bool {
	refused, is := errors.AsType[*pgconn.PgError](err)
	return is && (refused.Code == "42P05" || strings.Contains(refused.Message, "unsupported startup parameter"))
}
