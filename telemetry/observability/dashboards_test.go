package observability

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestDashboards_AskWhatPrometheusUnderstands parses each dashboard, as Grafana does, and each of its queries, as
// Prometheus does. That the metrics are there is tested by tests/sidecar, with a running system.
func TestDashboards_AskWhatPrometheusUnderstands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(folder, "grafana/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no dashboards: %v", err)
	}
	uids := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			UID    string `json:"uid"`
			Title  string `json:"title"`
			Panels []struct {
				ID      int    `json:"id"`
				Title   string `json:"title"`
				Targets []struct {
					Expr string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if other := uids[dashboard.UID]; dashboard.UID == "" || dashboard.Title == "" || other != "" {
			t.Errorf("%s has the uid %q of %q", file, dashboard.UID, other)
		}
		uids[dashboard.UID] = file
		ids := map[int]bool{}
		for _, panel := range dashboard.Panels {
			if ids[panel.ID] || len(panel.Targets) == 0 {
				t.Errorf("%s: the panel %q has another one's number, or no query", file, panel.Title)
			}
			ids[panel.ID] = true
			for _, target := range panel.Targets {
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(target.Expr); err != nil {
					t.Errorf("%s: %q: %v", file, panel.Title, err)
				}
			}
		}
	}
}
