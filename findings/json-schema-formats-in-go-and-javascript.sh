#!/usr/bin/env bash
# Each of two JSON Schema validators refuses values of a format that the other one takes, and the standard as well.
#
# Expected: JSON Schema 2020-12, Validation, 7.3: "uri" is a URI of RFC 3986 (also one with an empty path, 3.3, or a
#   host of a future version, 3.2.2), "uri-template" any of RFC 6570 (also with operators, 2.2), "email" a mailbox of
#   RFC 5321 (also of a host without dots or of an address literal, 4.1.2), "regex" an expression of ECMA-262 (also with
#   a look-ahead).
# What happens: github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 reads a template as a URL, where "?" begins the query,
#   and an expression as Go's, which has no look-ahead; its hosts in brackets are IPv6 only. npm ajv-formats 3.0.1 (ajv
#   8.20.0) refuses the other ones. An event that its publisher validated in one language is refused by a consumer in
#   the other.
# Source: https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3
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
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	for i := 1; i < len(os.Args); i += 2 {
		format, value := os.Args[i], os.Args[i+1]
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("format.json", map[string]any{"type": "string", "format": format}); err != nil {
			panic(err)
		}
		fmt.Println("santhosh-tekuri:", format, value, c.MustCompile("format.json").Validate(value) == nil)
	}
}
GO
cat > main.mjs <<'JS'
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
const ajv = formats.default(new Ajv2020());
for (let i = 2; i < process.argv.length; i += 2) {
  const [format, value] = process.argv.slice(i);
  console.log("ajv-formats:", format, value, ajv.validate({ type: "string", format }, value));
}
JS
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/santhosh-tekuri/jsonschema/v6@v6.0.3 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts ajv@8.20.0 ajv-formats@3.0.1
values=(uri x: uri 'http://[v1.x]/' uri-template '/orders/{id}' uri-template '/orders{?state,page}' regex '^(?!test)' regex '^test'
  email joe@shop.example email joe@localhost email 'joe@[192.0.2.1]')
seen=$(go run . "${values[@]}"; node main.mjs "${values[@]}")
echo "$seen"
want='santhosh-tekuri: uri x: true
santhosh-tekuri: uri http://[v1.x]/ false
santhosh-tekuri: uri-template /orders/{id} true
santhosh-tekuri: uri-template /orders{?state,page} false
santhosh-tekuri: regex ^(?!test) false
santhosh-tekuri: regex ^test true
santhosh-tekuri: email joe@shop.example true
santhosh-tekuri: email joe@localhost true
santhosh-tekuri: email joe@[192.0.2.1] true
ajv-formats: uri x: false
ajv-formats: uri http://[v1.x]/ true
ajv-formats: uri-template /orders/{id} true
ajv-formats: uri-template /orders{?state,page} true
ajv-formats: regex ^(?!test) true
ajv-formats: regex ^test true
ajv-formats: email joe@shop.example true
ajv-formats: email joe@localhost false
ajv-formats: email joe@[192.0.2.1] false'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
