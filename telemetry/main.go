// Command telemetry is the sidecar of a service: an OpenTelemetry collector with the few parts that this takes. It
// receives the service's spans on loopback, reads its log and its /metrics, adds which service and instance it was, and
// sends on.
//
// It runs until SIGINT or SIGTERM. A configuration that is wrong ends it with one line and exit code 2 before anything
// has started; what goes wrong later, with exit code 1. With the argument "healthcheck" it asks the running one.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/otelcol"
)

//go:embed sidecar.yaml
var sidecar string

const (
	failed = 1
	wrong  = 2 // the configuration
)

func main() {
	// From the first moment: the collector would do it when it has started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	run := start
	if len(os.Args) > 1 {
		run = healthcheck
	}
	code, err := run(ctx)
	ended := ctx.Err() != nil // on purpose, perhaps in the middle of the start
	stop()
	if err != nil && !ended {
		fmt.Fprintln(os.Stderr, "telemetry:", oneLine(err))
		os.Exit(code)
	}
}

func start(ctx context.Context) (code int, err error) {
	collector, err := otelcol.NewCollector(settings(os.Getenv("TELEMETRY_CONFIG")))
	if err != nil {
		return wrong, err
	}
	if err := collector.DryRun(ctx); err != nil {
		return wrong, err
	}
	return failed, collector.Run(ctx)
}

// settings are those of a collector with the sidecar's configuration, and the one in a file laid over it unless its
// name is empty.
func settings(file string) otelcol.CollectorSettings {
	uris := []string{"yaml:" + sidecar}
	if file != "" {
		uris = append(uris, "file:"+file)
	}
	return otelcol.CollectorSettings{
		BuildInfo:               component.BuildInfo{Command: "telemetry", Description: "sidecar", Version: "0.165.0"},
		Factories:               factories,
		DisableGracefulShutdown: true, // ours, see main
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs: uris,
			ProviderFactories: []confmap.ProviderFactory{
				envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory(),
			},
		}},
	}
}

// oneLine is the error without its line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// healthcheck asks the running sidecar for its metrics.
func healthcheck(ctx context.Context) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	address := os.Getenv("TELEMETRY_METRICS_ADDR")
	if address == "" {
		address = "127.0.0.1:8889"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return failed, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return failed, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return failed, fmt.Errorf("it answers %s", response.Status)
	}
	return 0, nil
}
