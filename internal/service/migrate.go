package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/outbox"
)

// Migrations are numbered SQL files with a version table of their own.
type Migrations struct {
	Table string // for example "goose_idempotency"
	Files fs.FS
}

// Migrate brings the database to the newest version: first the tables of the outbox and of incidents, then the given.
// Several replicas may call it at once: one works while the others wait.
func Migrate(ctx context.Context, url string, sets ...Migrations) error {
	if err := alone(ctx, url, upgrade); err != nil {
		return fmt.Errorf("upgrade the database: %w", err)
	}
	return Apply(ctx, url, append([]Migrations{
		{Table: "goose_outbox", Files: outbox.Migrations()},
		{Table: "goose_incident", Files: incident.Migrations()},
		{Table: "goose_lostcommits", Files: lostcommits.Migrations()},
	}, sets...)...)
}

// Apply brings the database to the newest version of the given sets, one after the other, as [Migrate] does.
func Apply(ctx context.Context, url string, sets ...Migrations) error {
	return alone(ctx, url, func(ctx context.Context, lock pgx.Tx) error {
		return apply(ctx, lock.Conn().Config(), sets)
	})
}

// alone runs what one replica at a time may do. The lock is a transaction's, which ends with its connection. goose has
// a locker of its own, which comes too late: replicas that find an empty database race for its version table.
func alone(ctx context.Context, url string, do func(ctx context.Context, lock pgx.Tx) error) (err error) {
	conn, err := postgres.Connect(ctx, url, postgres.Migrating)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if pooled, err := postgres.Pooled(ctx, conn); err != nil || pooled {
		return cmp.Or(err, error(postgres.PooledMigrations))
	}
	return pgx.BeginFunc(ctx, conn, func(lock pgx.Tx) error {
		if _, err := lock.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))`); err != nil {
			return fmt.Errorf("wait for other replicas' migrations: %w", err)
		}
		return do(ctx, lock)
	})
}

func apply(ctx context.Context, config *pgx.ConnConfig, sets []Migrations) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, set := range sets {
		provider, err := goose.NewProvider(goose.DialectPostgres, db, set.Files, goose.WithTableName(set.Table))
		if err != nil {
			return fmt.Errorf("migrations of %s: %w", set.Table, err)
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("migrate %s: %w", set.Table, err)
		}
	}
	return nil
}

// upgrade takes a database over that was made when outbox and incidents were one set of migrations, goose_mailbox. No
// row is lost or changed: columns get their present names, and both sets are marked as applied.
func upgrade(ctx context.Context, tx pgx.Tx) error {
	var version int
	old := false
	if err := tx.QueryRow(ctx, `SELECT to_regclass('goose_mailbox') IS NOT NULL`).Scan(&old); err != nil || !old {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT max(version_id) FROM goose_mailbox WHERE is_applied`).Scan(&version); err != nil {
		return err
	}
	if version != lastOldVersion {
		return fmt.Errorf("goose_mailbox is at version %d, want %d: run the release before this one first",
			version, lastOldVersion)
	}
	_, err := tx.Exec(ctx, `
		ALTER TABLE outbox RENAME COLUMN order_id TO key;
		ALTER TABLE outbox RENAME COLUMN again TO republish;
		ALTER TABLE inbox RENAME COLUMN order_id TO key;
		ALTER TABLE dead_letter RENAME COLUMN order_id TO key;
		CREATE TABLE goose_outbox (LIKE goose_mailbox INCLUDING ALL);
		CREATE TABLE goose_incident (LIKE goose_mailbox INCLUDING ALL);
		INSERT INTO goose_outbox (version_id, is_applied) VALUES (0, true), (1, true);
		INSERT INTO goose_incident (version_id, is_applied) VALUES (0, true), (1, true), (2, true);
		DROP TABLE goose_mailbox;`)
	return err
}

// lastOldVersion is the version of the old set in every database of the release before.
const lastOldVersion = 4
