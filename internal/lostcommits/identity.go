package lostcommits

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

// Identity is which database answers, and how far it is.
type Identity struct {
	System     string `json:"system"`     // the cluster's identifier: another one after a restore into a new cluster
	Timeline   string `json:"timeline"`   // another one after each promotion, and each restore to a point in time
	Database   uint32 `json:"database"`   // its oid: another one when the database was made anew
	Heartbeats int64  `json:"heartbeats"` // of the service in it: fewer when an older copy of the files has come back
}

// querier is a connection or a pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// identify asks a database who it is. On a standby it fails: what is read there may be behind.
func identify(ctx context.Context, db querier) (Identity, error) {
	return scan(db.QueryRow(ctx, `SELECT `+columns+` FROM database_heartbeat, pg_control_system()`))
}

// beat counts a heartbeat. It is committed like anything else.
func beat(ctx context.Context, db querier) (Identity, error) {
	return scan(db.QueryRow(ctx, `UPDATE database_heartbeat SET n = n + 1 FROM pg_control_system() RETURNING `+columns))
}

const columns = `system_identifier::text, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
	(SELECT oid FROM pg_database WHERE datname = current_database()), n`

func scan(row pgx.Row) (i Identity, err error) {
	if err = row.Scan(&i.System, &i.Timeline, &i.Database, &i.Heartbeats); err != nil {
		return i, fmt.Errorf("ask which database this is: %w", err)
	}
	return i, nil
}

// differs is why this database may have lost commits since it was the given one; empty: it has not.
func (i Identity) differs(before Identity) string {
	switch {
	case i.System != before.System:
		return "it is in another cluster than before"
	case i.Database != before.Database:
		return "it was made anew"
	case i.Timeline != before.Timeline:
		return "a standby was promoted, or a backup restored"
	case i.Heartbeats < before.Heartbeats:
		return "an older copy of it has come back"
	}
	return ""
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the table in which heartbeats are counted.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}
