#!/usr/bin/env bash
# Of traces whose ids are UUIDs, a share below one half is none, and one of three quarters is all.
#
# Expected: OpenTelemetry's TraceIdRatioBased sampler takes about the given ratio of all traces. A trace id has 16 bytes,
#   as a UUID has, and every UUID but the one that is all zeros is a valid trace id.
# What happens: go.opentelemetry.io/otel/sdk v1.47.0 compares the upper 63 bits of the id's last eight bytes with the
#   ratio. The first two bits there are a UUID's variant, always 10. So at 0.5 and below it takes no trace at all, at 0.6
#   two fifths, and from 0.75 on all. W3C Trace Context asks for randomness in the last seven bytes alone, which is
#   where UUIDs of version 4 and 7 have it.
# Source: https://www.w3.org/TR/trace-context-2/#random-trace-id-flag
#   https://www.rfc-editor.org/rfc/rfc9562#section-4.1
# Needs: go (seen with 1.26).
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
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

const ids = 100_000

func random() (id uuid.UUID, err error) { _, err = rand.Read(id[:]); return }

func main() {
	for _, kind := range []struct {
		name string
		next func() (uuid.UUID, error)
	}{{"random bytes", random}, {"UUID version 4", uuid.NewRandom}, {"UUID version 7", uuid.NewV7}} {
		for _, ratio := range []float64{0.1, 0.4, 0.6, 0.8} {
			sampler, taken := trace.TraceIDRatioBased(ratio), 0
			for range ids {
				id := api.TraceID(uuid.Must(kind.next()))
				if sampler.ShouldSample(trace.SamplingParameters{TraceID: id}).Decision == trace.RecordAndSample {
					taken++
				}
			}
			fmt.Printf("%s: of %.1f %.1f are taken\n", kind.name, ratio, float64(taken)/ids)
		}
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go get go.opentelemetry.io/otel/sdk@v1.47.0 github.com/google/uuid@v1.6.0 2>/dev/null
seen=$(go run .)
echo "$seen"
want='random bytes: of 0.1 0.1 are taken
random bytes: of 0.4 0.4 are taken
random bytes: of 0.6 0.6 are taken
random bytes: of 0.8 0.8 are taken
UUID version 4: of 0.1 0.0 are taken
UUID version 4: of 0.4 0.0 are taken
UUID version 4: of 0.6 0.4 are taken
UUID version 4: of 0.8 1.0 are taken
UUID version 7: of 0.1 0.0 are taken
UUID version 7: of 0.4 0.0 are taken
UUID version 7: of 0.6 0.4 are taken
UUID version 7: of 0.8 1.0 are taken'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
