#!/usr/bin/env bash
# One bad element costs a whole Accept header.
#
# Expected: RFC 9110, 5.6.1.2: a recipient of a list parses and ignores a reasonable number of empty elements, so
#   "text/html, , application/json" accepts JSON as "text/html, application/json" does.
# What happens: github.com/elnormous/contenttype v1.0.4 (GetAcceptableMediaType, the Go library that follows the
#   RFC's grammar most closely) answers with the error "invalid media type" for the whole header, as it does for a header
#   that ends in a comma. A server that makes a 406 of that error refuses a client that names what it serves.
# Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2
# Needs: go.
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

	"github.com/elnormous/contenttype"
)

func main() {
	json := []contenttype.MediaType{contenttype.NewMediaType("application/json")}
	for _, accept := range []string{
		"text/html, application/json", "text/html, , application/json", "application/json,", ", application/json",
	} {
		chosen, _, err := contenttype.GetAcceptableMediaTypeFromHeader(accept, json)
		fmt.Printf("%q: %q, %v\n", accept, chosen.String(), err)
	}
}
GO
GOFLAGS=-mod=mod GOWORK=off go get github.com/elnormous/contenttype@v1.0.4 2>/dev/null
seen=$(GOFLAGS=-mod=mod GOWORK=off go run .)
echo "$seen"
want='"text/html, application/json": "application/json", <nil>
"text/html, , application/json": "", invalid media type
"application/json,": "", invalid media type
", application/json": "", invalid media type'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
