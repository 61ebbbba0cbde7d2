#!/usr/bin/env bash
# The Go and JavaScript SDKs of CloudEvents cannot exchange JSON whose media type ends in +json.
#
# Expected: CloudEvents' JSON format, 3.1.1: data is written as a JSON value when datacontenttype is absent or is a JSON
#   media type, and "application/vnd.order+json" is one (subtype "json", or with the suffix "+json").
# What happens: github.com/cloudevents/sdk-go/v2 v2.16.2 takes only application/json and text/json for JSON here. It
#   writes the object as a string, which npm cloudevents 10.0.0 hands on as a string. The other way, the JavaScript SDK
#   writes an object, and the Go SDK refuses the event. The Go SDK's DataAs does know +json, so a test within one SDK
#   sees nothing.
# Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data
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
	"io"
	"os"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	if len(os.Args) > 1 { // read what the other SDK wrote
		text, _ := io.ReadAll(os.Stdin)
		var e cloudevents.Event
		if err := json.Unmarshal(text, &e); err != nil {
			fmt.Println("Go refuses it:", err.Error()[:64])
			return
		}
		fmt.Println("Go reads:", string(e.Data()))
		return
	}
	e := cloudevents.NewEvent()
	e.SetID("1")
	e.SetSource("/orders")
	e.SetType("OrderPlaced")
	if err := e.SetData("application/vnd.order+json", map[string]int{"total": 7}); err != nil {
		panic(err)
	}
	var own struct{ Total int }
	fmt.Fprintln(os.Stderr, "Go reads its own:", e.DataAs(&own), own.Total)
	text, _ := json.Marshal(e)
	fmt.Println(string(text))
}
GO
cat > main.mjs <<'JS'
import { CloudEvent, HTTP } from "cloudevents";
import { readFileSync } from "node:fs";
if (process.argv[2] === "read") {
  const headers = { "content-type": "application/cloudevents+json" };
  console.log("JavaScript reads:", JSON.stringify(HTTP.toEvent({ headers, body: readFileSync(0, "utf8") }).data));
} else {
  console.log(HTTP.structured(new CloudEvent({
    id: "1", source: "/orders", type: "OrderPlaced", time: "2026-01-02T03:04:05.000Z",
    datacontenttype: process.argv[3], data: { total: 7 },
  })).body);
}
JS
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/cloudevents/sdk-go/v2@v2.16.2 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cloudevents@10.0.0
go build -o finding .
seen=$(./finding 2>&1 >from-go; cat from-go; node main.mjs read <from-go
for type in application/json application/vnd.order+json; do
  node main.mjs write "$type" >from-js; cat from-js; ./finding read <from-js
done)
echo "$seen"
want='Go reads its own: <nil> 7
{"specversion":"1.0","id":"1","source":"/orders","type":"OrderPlaced","datacontenttype":"application/vnd.order+json","data":"{\"total\":7}"}
JavaScript reads: "{\"total\":7}"
{"id":"1","time":"2026-01-02T03:04:05.000Z","type":"OrderPlaced","source":"/orders","specversion":"1.0","datacontenttype":"application/json","data":{"total":7}}
Go reads: {"total":7}
{"id":"1","time":"2026-01-02T03:04:05.000Z","type":"OrderPlaced","source":"/orders","specversion":"1.0","datacontenttype":"application/vnd.order+json","data":{"total":7}}
Go refuses it: unexpected data payload for media type "application/vnd.order+js'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
