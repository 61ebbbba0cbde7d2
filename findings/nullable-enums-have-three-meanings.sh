#!/usr/bin/env bash
# Whether null is allowed by a nullable enum depends on the tool.
#
# Expected: OpenAPI 3.0.3, Schema Object: nullable adds null to the types that "type" of the same schema allows; enum is
#   JSON Schema's, and allows its own values and no other. {type: string, nullable: true, enum: [card, cash]} therefore
#   refuses null, and {nullable: true, allOf: [{type: string}]}, where nullable has no type to add to, refuses it too.
# What happens: github.com/getkin/kin-openapi v0.153.0 takes null for both, as it looks at no other keyword then; npm
#   openapi-typescript 7.13.0 writes "| null" for both. npm ajv 8.20.0 refuses null for the first, and does not compile
#   the second. So the client's types and the Go server agree on a null that a validator in JavaScript refuses.
# Source: https://spec.openapis.org/oas/v3.0.3#schema-object,
#   https://github.com/OAI/OpenAPI-Specification/blob/main/proposals/2019-10-31-Clarify-Nullable.md
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
	"context"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.json")
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"Enum", "AllOf", "WithNull"} {
		fmt.Println("kin-openapi:", name, "takes null:", doc.Components.Schemas[name].Value.VisitJSON(nil) == nil)
	}
}
GO
cat > main.mjs <<'JS'
import { Ajv } from "ajv";
import { readFileSync } from "node:fs";
const { schemas } = JSON.parse(readFileSync("openapi.json", "utf8")).components;
for (const name of ["Enum", "AllOf", "WithNull"]) {
  try {
    console.log(`ajv: ${name} takes null: ${new Ajv().compile(schemas[name])(null)}`);
  } catch (err) {
    console.log(`ajv: ${name}: ${err.message}`);
  }
}
JS
cat > openapi.json <<'JSON'
{"openapi": "3.0.3", "info": {"title": "nullable", "version": "1"}, "paths": {}, "components": {"schemas": {
  "Enum": {"type": "string", "nullable": true, "enum": ["card", "cash"]},
  "AllOf": {"nullable": true, "allOf": [{"type": "string"}]},
  "WithNull": {"type": "string", "nullable": true, "enum": ["card", "cash", null]}
}}}
JSON
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/getkin/kin-openapi@v0.153.0 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts ajv@8.20.0 openapi-typescript@7.13.0 typescript@5.9.3
seen=$(go run . 2>/dev/null; node main.mjs
npx openapi-typescript openapi.json 2>/dev/null | grep -E '^ +(Enum|AllOf|WithNull): ' | sed 's/^ */openapi-typescript: /')
echo "$seen"
want='kin-openapi: Enum takes null: true
kin-openapi: AllOf takes null: true
kin-openapi: WithNull takes null: true
ajv: Enum takes null: false
ajv: AllOf: "nullable" cannot be used without "type"
ajv: WithNull takes null: true
openapi-typescript: Enum: "card" | "cash" | null;
openapi-typescript: AllOf: string | null;
openapi-typescript: WithNull: "card" | "cash" | null;'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
