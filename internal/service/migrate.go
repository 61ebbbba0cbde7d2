package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"example.com/ordersaga/pkg/mailbox"
)

// Migrations are numbered SQL files with a version table of their own.
type Migrations struct {
	Table string // for example "goose_idempotency"
	Files fs.FS
}

// Migrate brings the database to the newest version: the mailbox's tables first, then the given ones.
// Several replicas may call it at once: a session lock lets one work while the others wait.
func Migrate(ctx context.Context, url string, sets ...Migrations) error {
	return Apply(ctx, url, append([]Migrations{{Table: "goose_mailbox", Files: mailbox.Migrations()}}, sets...)...)
}

// Apply brings the database to the newest version of the given sets, one after the other, as [Migrate] does.
func Apply(ctx context.Context, url string, sets ...Migrations) (err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("migrations url: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()

	for _, set := range sets {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectPostgres, db, set.Files,
			goose.WithTableName(set.Table), goose.WithSessionLocker(locker))
		if err != nil {
			return fmt.Errorf("migrations of %s: %w", set.Table, err)
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("migrate %s: %w", set.Table, err)
		}
	}
	return nil
}
