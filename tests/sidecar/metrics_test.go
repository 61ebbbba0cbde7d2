//go:build sidecar

package sidecar

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/tests/kit"
)

const observability = "../../deploy/observability"

// elsewhere are metrics that a sidecar does not show before a span was lost; the tests in telemetry see them.
var elsewhere = []string{"otelcol_exporter_send_failed_spans_total", "otelcol_exporter_enqueue_failed_spans_total"}

// everyMetricIsThere wants each metric that an alert or a dashboard asks for at a running process.
func everyMetricIsThere(t *testing.T, w *kit.System) {
	asked := asked(t)
	if len(asked) < 20 {
		t.Fatalf("only %q are asked for", asked)
	}
	kit.Eventually(t, "every metric", func() error {
		shown := "\nup 1\n"
		for _, url := range w.Describe().URLs {
			text, err := metricsOf(url)
			if err != nil {
				return err
			}
			shown += text
		}
		provisioner, err := w.Environment(supervisor.Provisioner)
		kit.Must(t, err)
		text, err := metricsOf("http://" + provisioner["HTTP_ADDR"])
		if err != nil {
			return err
		}
		shown += text
		for _, name := range asked {
			if !strings.Contains(shown, "\n"+name+"{") && !strings.Contains(shown, "\n"+name+" ") && !slices.Contains(elsewhere, name) {
				return fmt.Errorf("no process shows %s", name)
			}
		}
		return nil
	})
}

func metricsOf(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url + "/metrics")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return "\n" + string(text), err
}

var (
	expression = regexp.MustCompile(`(?m)^\s+"?expr"?: (?:>-\n)?((?:.*\n(?:\s{10}.*\n)*))`)
	noMetric   = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|\\?"[^"]*"`)
	identifier = regexp.MustCompile(`[a-z_][a-zA-Z0-9_]*\b(\s*\()?`)
)

// asked are the metrics in the queries of all alerts and dashboards.
func asked(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(observability, "grafana/dashboards/*.json"))
	kit.Must(t, err)
	names := map[string]bool{}
	for _, file := range append(files, filepath.Join(observability, "alerts.yml")) {
		text, err := os.ReadFile(file)
		kit.Must(t, err)
		for _, query := range expression.FindAllStringSubmatch(string(text), -1) {
			for _, name := range identifier.FindAllString(noMetric.ReplaceAllString(unquoted(query[1]), ""), -1) {
				if !strings.HasSuffix(name, "(") && strings.Contains(name, "_") || name == "up" {
					names[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// unquoted is a query as it stands in JSON or in YAML, without what stands around it.
func unquoted(query string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimSpace(query), `",`), `\"`, `"`)
}
