#!/usr/bin/env bash
# A comma in a link's target or title, or a capital letter, costs a pager its next page.
#
# Expected: RFC 8288, 3: a link's target stands in angle brackets and is any URI-Reference, so it may have a comma (RFC
#   3986, 2.2), as a quoted parameter such as title may. B.3: names of parameters are compared in lower case.
# What happens: github.com/tomnomnom/linkheader e5fe3b5 and github.com/peterhellberg/link v1.2.0 cut the header at every
#   comma first. linkheader then finds no link, or one without its rel; link takes the comma out of the URI, so a client
#   asks for order 12 in place of 1 and 2. link and npm parse-link-header 2.0.0 know no "Rel". npm http-link-header
#   1.1.4 is right in all of these.
# Source: https://www.rfc-editor.org/rfc/rfc8288#section-3
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

	hellberg "github.com/peterhellberg/link"
	tomnomnom "github.com/tomnomnom/linkheader"
)

func main() {
	for _, header := range os.Args[1:] {
		fmt.Println(header)
		for _, l := range tomnomnom.Parse(header) {
			fmt.Printf("  linkheader: %s %s\n", l.Rel, l.URL)
		}
		for _, rel := range []string{"next", "prev"} {
			if l := hellberg.Parse(header)[rel]; l != nil {
				fmt.Printf("  link: %s %s\n", rel, l.URI)
			}
		}
	}
}
GO
cat > main.mjs <<'JS'
import exact from "http-link-header";
import parse from "parse-link-header";
for (const header of process.argv.slice(2)) {
  console.log(header);
  for (const l of exact.parse(header).refs) console.log(`  http-link-header: ${l.rel} ${l.uri}`);
  for (const l of Object.values(parse(header))) console.log(`  parse-link-header: ${l.rel} ${l.url}`);
}
JS
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/tomnomnom/linkheader@v0.0.0-20250811210735-e5fe3b51442e github.com/peterhellberg/link@v1.2.0 2>/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts http-link-header@1.1.4 parse-link-header@2.0.0
headers=('</orders?ids=1,2>; rel="next"' '</b>; title="b, c"; rel="next"' '</a>; Rel="next"')
seen=$(go run . "${headers[@]}"; node main.mjs "${headers[@]}")
echo "$seen"
want='</orders?ids=1,2>; rel="next"
  link: next /orders?ids=12
</b>; title="b, c"; rel="next"
  linkheader:  /b
  link: next /b
</a>; Rel="next"
  linkheader: next /a
</orders?ids=1,2>; rel="next"
  http-link-header: next /orders?ids=1,2
  parse-link-header: next /orders?ids=1,2
</b>; title="b, c"; rel="next"
  http-link-header: next /b
  parse-link-header: next /b
</a>; Rel="next"
  http-link-header: next /a'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
