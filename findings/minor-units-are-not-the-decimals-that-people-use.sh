#!/usr/bin/env bash
# The decimals that libraries give a currency are not always the minor units in which a payment is made.
#
# Expected: ISO 4217 gives the Iraqi dinar three decimals and the kip, the ariary and the afghani two. Payment
#   interfaces count in those minor units, so 1980 IQD-minor-units are 1.980 IQD.
# What happens: golang.org/x/text/currency v0.44.0 (Standard.Rounding) and Node's Intl.NumberFormat answer 0 for these:
#   they follow CLDR, which has the decimals that people write. Whoever divides by 10^digits shows 1,000 or 100 times too
#   much. ECMA-402 asks for ISO 4217 (abstract operation CurrencyDigits). github.com/govalues/money v0.2.4 gives the
#   Icelandic króna two decimals, ISO 4217 has given it none since 2007. github.com/bojanz/currency v1.5.1 agrees with ISO
#   in all of these.
# Source: https://www.iso.org/iso-4217-currency-codes.html, https://tc39.es/ecma402/#sec-currencydigits,
#   https://unicode.org/reports/tr35/tr35-numbers.html#Supplemental_Currency_Data
# Needs: go, node (seen with v20).
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

	bojanz "github.com/bojanz/currency"
	govalues "github.com/govalues/money"
	xtext "golang.org/x/text/currency"
)

func main() {
	for _, code := range []string{"USD", "JPY", "BHD", "IQD", "AFN", "LAK", "MGA", "ISK"} {
		iso, _ := bojanz.GetDigits(code)
		cldr, _ := xtext.Standard.Rounding(xtext.MustParseISO(code))
		fmt.Printf("%s: bojanz %d, x/text %d, govalues %d\n", code, iso, cldr, govalues.MustParseCurr(code).Scale())
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go get github.com/bojanz/currency@v1.5.1 github.com/govalues/money@v0.2.4 golang.org/x/text@v0.44.0 2>/dev/null
seen=$(go run . 2>/dev/null
node -e 'for (const c of ["USD", "JPY", "BHD", "IQD", "AFN", "LAK", "MGA"])
  console.log(`${c}: Intl ${new Intl.NumberFormat("en", { style: "currency", currency: c }).resolvedOptions().maximumFractionDigits}`)')
echo "$seen"
want='USD: bojanz 2, x/text 2, govalues 2
JPY: bojanz 0, x/text 0, govalues 0
BHD: bojanz 3, x/text 3, govalues 3
IQD: bojanz 3, x/text 0, govalues 3
AFN: bojanz 2, x/text 0, govalues 2
LAK: bojanz 2, x/text 0, govalues 2
MGA: bojanz 2, x/text 0, govalues 2
ISK: bojanz 0, x/text 0, govalues 2
USD: Intl 2
JPY: Intl 0
BHD: Intl 3
IQD: Intl 0
AFN: Intl 0
LAK: Intl 0
MGA: Intl 0'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
