#!/usr/bin/env bash
# A migration's quoted text is cut or loses a line before the database sees it.
#
# Expected: PostgreSQL's manual, 4.1.2: what stands between quotes is text. A semicolon there ends no statement (1), two
#   hyphens begin no comment (2). A function with the SQL standard's body, BEGIN ATOMIC ... END, is one statement too
#   (3; CREATE FUNCTION, since PostgreSQL 14).
# What happens: github.com/pressly/goose/v3 v3.30.1 and github.com/rubenv/sql-migrate v1.8.1 split at each line that
#   ends in a semicolon; the database then gets half a statement, and an error is the best case. sql-migrate also takes
#   out each line that begins with two hyphens: the INSERT succeeds, and the mail has lost the hyphens above its
#   signature. StatementBegin and StatementEnd (4) keep a statement together, but do not bring that line back.
# Source: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS
# Needs: go.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > go.mod <<'MOD'
module finding
go 1.25
MOD
cat > main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/rubenv/sql-migrate/sqlparse"
)

// recorder is a database that prints what it is asked to execute.
type recorder struct{}

func (recorder) Connect(context.Context) (driver.Conn, error) { return recorder{}, nil }
func (recorder) Driver() driver.Driver                        { return nil }
func (recorder) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (recorder) Close() error                                 { return nil }
func (recorder) Begin() (driver.Tx, error)                    { return recorder{}, nil }
func (recorder) Commit() error                                { return nil }
func (recorder) Rollback() error                              { return nil }
func (recorder) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	fmt.Printf("  goose: %q\n", query)
	return driver.RowsAffected(0), nil
}

func main() {
	for i, text := range []string{
		"INSERT INTO mails VALUES ('Hello;\nbye');\n",
		"INSERT INTO mails VALUES ('Hello\n-- \nThe shop');\n",
		"CREATE FUNCTION two() RETURNS int BEGIN ATOMIC\nSELECT 1;\nSELECT 2;\nEND;\n",
		"-- +TOOL StatementBegin\nINSERT INTO mails VALUES ('Hello;\n-- \nThe shop');\n-- +TOOL StatementEnd\n",
	} {
		fmt.Println(i + 1)
		up := func(tool string) string { return strings.ReplaceAll("-- +TOOL Up\n"+text, "TOOL", tool) }
		files := fstest.MapFS{"1_mails.sql": {Data: []byte(up("goose"))}}
		p, err := goose.NewProvider(goose.DialectPostgres, sql.OpenDB(recorder{}), files, goose.WithDisableVersioning(true))
		if err == nil {
			_, err = p.Up(context.Background())
		}
		if err != nil {
			panic(err)
		}
		parsed, err := sqlparse.ParseMigration(strings.NewReader(up("migrate")))
		if err != nil {
			panic(err)
		}
		for _, statement := range parsed.UpStatements {
			fmt.Printf("  sql-migrate: %q\n", statement)
		}
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/pressly/goose/v3@v3.30.1 github.com/rubenv/sql-migrate@v1.8.1 2>/dev/null
seen=$(go run . 2>/dev/null)
echo "$seen"
want=$(cat <<'WANT'
1
  goose: "INSERT INTO mails VALUES ('Hello;"
  goose: "bye');"
  sql-migrate: "INSERT INTO mails VALUES ('Hello;\n"
  sql-migrate: "bye');\n"
2
  goose: "INSERT INTO mails VALUES ('Hello\n-- \nThe shop');"
  sql-migrate: "INSERT INTO mails VALUES ('Hello\nThe shop');\n"
3
  goose: "CREATE FUNCTION two() RETURNS int BEGIN ATOMIC\nSELECT 1;"
  goose: "SELECT 2;"
  goose: "END;"
  sql-migrate: "CREATE FUNCTION two() RETURNS int BEGIN ATOMIC\nSELECT 1;\n"
  sql-migrate: "SELECT 2;\n"
  sql-migrate: "END;\n"
4
  goose: "INSERT INTO mails VALUES ('Hello;\n-- \nThe shop');"
  sql-migrate: "INSERT INTO mails VALUES ('Hello;\nThe shop');\n"
WANT
)
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
