#!/usr/bin/env bash
# Go reads the hour of a mail from New York as if it were London's.
#
# Expected: RFC 5322, 4.3: a reader of Date understands the old names of zones, and EST is the same as -0500, PDT as
#   -0700. Section 3.3: a second of 60 is a leap second.
# What happens: Go's net/mail.ParseDate (go 1.26), and github.com/emersion/go-message v0.18.2 with it, take EST, EDT,
#   PST and PDT for names of a zone of offset 0, without an error: midnight EST is 00:00 UTC, five hours early. Only on
#   a machine whose own zone has that name is the time right, so a test passes in New York and a server is wrong
#   elsewhere. The leap second is an error. JavaScript's Date.parse (node 20) knows the zones, and reads the leap second
#   as 23:59:00.
# Source: https://www.rfc-editor.org/rfc/rfc5322#section-4.3
# Needs: go (seen with 1.26), node (seen with v20).
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
	netmail "net/mail"
	"os"
	"time"
	_ "time/tzdata"

	"github.com/emersion/go-message/mail"
)

func main() {
	for _, text := range os.Args[1:] {
		var h mail.Header
		h.Set("Date", text)
		for reader, read := range map[string]func() (time.Time, error){
			"net/mail":   func() (time.Time, error) { return netmail.ParseDate(text) },
			"go-message": h.Date,
		} {
			if at, err := read(); err != nil {
				fmt.Printf("%s: %s: %v\n", text, reader, err)
			} else {
				fmt.Printf("%s: %s: %s\n", text, reader, at.UTC().Format(time.RFC3339))
			}
		}
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/emersion/go-message@v0.18.2 2>/dev/null
dates=('Mon, 1 Jan 2024 00:00:00 -0500' 'Mon, 1 Jan 2024 00:00:00 EST' 'Mon, 1 Jul 2024 00:00:00 PDT' 'Sat, 31 Dec 2016 23:59:60 +0000')
go build -o finding .
seen=$(for zone in UTC America/New_York; do echo "on a machine in $zone"; TZ=$zone ./finding "${dates[@]}" | sort; done
node -e 'for (const d of process.argv.slice(1)) console.log(`${d}: Date.parse: ${new Date(d).toJSON()}`)' "${dates[@]}")
echo "$seen"
want='on a machine in UTC
Mon, 1 Jan 2024 00:00:00 -0500: go-message: 2024-01-01T05:00:00Z
Mon, 1 Jan 2024 00:00:00 -0500: net/mail: 2024-01-01T05:00:00Z
Mon, 1 Jan 2024 00:00:00 EST: go-message: 2024-01-01T00:00:00Z
Mon, 1 Jan 2024 00:00:00 EST: net/mail: 2024-01-01T00:00:00Z
Mon, 1 Jul 2024 00:00:00 PDT: go-message: 2024-07-01T00:00:00Z
Mon, 1 Jul 2024 00:00:00 PDT: net/mail: 2024-07-01T00:00:00Z
Sat, 31 Dec 2016 23:59:60 +0000: go-message: mail: header could not be parsed
Sat, 31 Dec 2016 23:59:60 +0000: net/mail: mail: header could not be parsed
on a machine in America/New_York
Mon, 1 Jan 2024 00:00:00 -0500: go-message: 2024-01-01T05:00:00Z
Mon, 1 Jan 2024 00:00:00 -0500: net/mail: 2024-01-01T05:00:00Z
Mon, 1 Jan 2024 00:00:00 EST: go-message: 2024-01-01T05:00:00Z
Mon, 1 Jan 2024 00:00:00 EST: net/mail: 2024-01-01T05:00:00Z
Mon, 1 Jul 2024 00:00:00 PDT: go-message: 2024-07-01T00:00:00Z
Mon, 1 Jul 2024 00:00:00 PDT: net/mail: 2024-07-01T00:00:00Z
Sat, 31 Dec 2016 23:59:60 +0000: go-message: mail: header could not be parsed
Sat, 31 Dec 2016 23:59:60 +0000: net/mail: mail: header could not be parsed
Mon, 1 Jan 2024 00:00:00 -0500: Date.parse: 2024-01-01T05:00:00.000Z
Mon, 1 Jan 2024 00:00:00 EST: Date.parse: 2024-01-01T05:00:00.000Z
Mon, 1 Jul 2024 00:00:00 PDT: Date.parse: 2024-07-01T07:00:00.000Z
Sat, 31 Dec 2016 23:59:60 +0000: Date.parse: 2016-12-31T23:59:00.000Z'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
