#!/usr/bin/env bash
# A forwarder written with the JavaScript SDK of CloudEvents loses data that is false, 0 or "", and digits of the time.
#
# Expected: CloudEvents' JSON format, 3.1.1: data may be any JSON value, among them false, 0 and "". CloudEvents 1.0.2,
#   Type System: time is a timestamp of RFC 3339, whose fraction has any number of digits (5.6).
# What happens: npm cloudevents 10.0.0 reads such an event without a complaint and finds no data in it; written again,
#   in structured or in binary mode, it has none. time is cut to milliseconds, so two events that were in order become
#   equal. github.com/cloudevents/sdk-go/v2 v2.16.2 keeps all of it.
# Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data,
#   https://www.rfc-editor.org/rfc/rfc3339#section-5.6
# Needs: go, node, npm.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > go.mod <<'MOD'
module finding
go 1.24
MOD
cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	for _, text := range os.Args[1:] {
		var e cloudevents.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			panic(err)
		}
		again, _ := json.Marshal(e)
		fmt.Printf("Go: %s\n", again)
	}
}
GO
cat > main.mjs <<'JS'
import { HTTP } from "cloudevents";
for (const body of process.argv.slice(2)) {
  const e = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body });
  console.log("JavaScript:", HTTP.structured(e).body, "binary:", HTTP.binary(e).body);
}
JS
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/cloudevents/sdk-go/v2@v2.16.2 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cloudevents@10.0.0
events=()
for data in true false 1 0 '""'; do
  events+=('{"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":'"$data}")
done
seen=$(go run . "${events[@]}"; node main.mjs "${events[@]}")
echo "$seen"
want='Go: {"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":true}
Go: {"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":false}
Go: {"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":1}
Go: {"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":0}
Go: {"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-02T03:04:05.000000007Z","data":""}
JavaScript: {"id":"1","time":"2026-01-02T03:04:05.000Z","type":"t","source":"/x","specversion":"1.0","data":true} binary: true
JavaScript: {"id":"1","time":"2026-01-02T03:04:05.000Z","type":"t","source":"/x","specversion":"1.0"} binary: undefined
JavaScript: {"id":"1","time":"2026-01-02T03:04:05.000Z","type":"t","source":"/x","specversion":"1.0","data":1} binary: 1
JavaScript: {"id":"1","time":"2026-01-02T03:04:05.000Z","type":"t","source":"/x","specversion":"1.0"} binary: undefined
JavaScript: {"id":"1","time":"2026-01-02T03:04:05.000Z","type":"t","source":"/x","specversion":"1.0"} binary: undefined'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
