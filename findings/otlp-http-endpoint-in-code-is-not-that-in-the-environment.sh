#!/usr/bin/env bash
# The same URL of a collector works in the environment, and not in the code.
#
# Expected: an OTLP exporter that gets the URL http://collector:4318 posts spans to http://collector:4318/v1/traces,
#   wherever it has the URL from. "/v1/traces" is the default path, also for the exporter's other option, WithEndpoint.
# What happens: go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp v1.47.0 does so for
#   OTEL_EXPORTER_OTLP_ENDPOINT and for WithEndpoint. WithEndpointURL takes the URL as it is, as
#   OTEL_EXPORTER_OTLP_TRACES_ENDPOINT does, and posts to "/", where no collector expects spans.
# Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
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
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

// send exports one span, and waits until it is sent.
func send(options ...otlptracehttp.Option) {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		panic(err)
	}
	provider := trace.NewTracerProvider(trace.WithSyncer(exporter))
	_, span := provider.Tracer("finding").Start(ctx, "one")
	span.End()
	if err := provider.Shutdown(ctx); err != nil {
		panic(err)
	}
}

func main() {
	way := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Printf("%s: POST %s\n", way, r.URL.Path)
	}))
	defer server.Close()

	way = "WithEndpoint"
	send(otlptracehttp.WithEndpoint(strings.TrimPrefix(server.URL, "http://")), otlptracehttp.WithInsecure())
	way = "WithEndpointURL"
	send(otlptracehttp.WithEndpointURL(server.URL))
	for _, way = range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		os.Setenv(way, server.URL)
		send()
		os.Unsetenv(way)
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
unset "${!OTEL_@}"
go get go.opentelemetry.io/otel/sdk@v1.47.0 go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp@v1.47.0 2>/dev/null
seen=$(go run .)
echo "$seen"
want='WithEndpoint: POST /v1/traces
WithEndpointURL: POST /
OTEL_EXPORTER_OTLP_ENDPOINT: POST /v1/traces
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: POST /'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
