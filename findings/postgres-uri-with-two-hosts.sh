#!/usr/bin/env bash
# The connection URI with two hosts from PostgreSQL's manual works with one of three well-known drivers.
#
# Expected: PostgreSQL's manual, 34.1.1.2: "postgresql://host1:123,host2:456/somedb?target_session_attrs=any" names two
#   servers, each with its port, which are tried in turn.
# What happens: github.com/jackc/pgx/v5 v5.13.0 tries both. github.com/lib/pq v1.12.3 knows several hosts, but keeps the
#   port in the host's name and adds 5432 to it, so it looks up a host called "127.0.0.1:PORT". npm pg 8's parser
#   (pg-connection-string 2.14.1) refuses the URI, and without ports takes "host1,host2" for the name of one host.
# Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
# Needs: go, node, npm.
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
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"
)

func main() {
	const uri = "postgresql://u@host1:123,host2:456/somedb?target_session_attrs=any&sslmode=disable"
	of, err := pgconn.ParseConfig(uri)
	if err != nil {
		panic(err)
	}
	fmt.Printf("pgx: host %q, port %d\n", of.Host, of.Port)
	for _, next := range of.Fallbacks {
		fmt.Printf("pgx: host %q, port %d\n", next.Host, next.Port)
	}
	cfg, err := pq.NewConfig(uri)
	if err != nil {
		panic(err)
	}
	fmt.Printf("pq: host %q, port %d\n", cfg.Host, cfg.Port)
	for _, next := range cfg.Multi {
		fmt.Printf("pq: host %q, port %d\n", next.Host, next.Port)
	}
}
GO
cat > main.mjs <<'JS'
import { parse } from "pg-connection-string";
for (const hosts of ["host1:123", "host1:123,host2:456", "host1,host2"]) {
  try {
    const { host, port } = parse(`postgresql://u@${hosts}/somedb?target_session_attrs=any`);
    console.log(`pg-connection-string of ${hosts}: host ${JSON.stringify(host)}, port ${JSON.stringify(port)}`);
  } catch (err) {
    console.log(`pg-connection-string of ${hosts}: ${err.message}`);
  }
}
JS
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/jackc/pgx/v5@v5.13.0 github.com/lib/pq@v1.12.3 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts pg-connection-string@2.14.1
seen=$(go run . 2>/dev/null; node main.mjs)
echo "$seen"
want='pgx: host "host1", port 123
pgx: host "host2", port 456
pq: host "host1:123", port 5432
pq: host "host2:456", port 5432
pg-connection-string of host1:123: host "host1", port "123"
pg-connection-string of host1:123,host2:456: Invalid URL
pg-connection-string of host1,host2: host "host1,host2", port ""'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
