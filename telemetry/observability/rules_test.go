package observability

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

const folder = "../../deploy/observability"

// alerts are the rules by their names.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, problems := rulefmt.ParseFile(filepath.Join(folder, "alerts.yml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, problem := range problems {
		t.Error(problem)
	}
	found := map[string]rulefmt.Rule{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert] = rule
		}
	}
	return found
}

// recording is a test of promtool's: series, and at which time an alert fires for which labels.
type recording struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Series   []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []struct {
		At       model.Duration `yaml:"eval_time"`
		Alert    string         `yaml:"alertname"`
		Expected []firing       `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

type firing struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

func TestAlerts_EachFiresOnceAgainstRecordedSeries(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(folder, "alerts.test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Every model.Duration `yaml:"evaluation_interval"`
		Tests []recording    `yaml:"tests"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fired, quiet := map[string]int{}, map[string]int{}
	for _, r := range file.Tests {
		for _, wanted := range r.Alerts {
			if len(wanted.Expected) > 0 {
				fired[wanted.Alert]++
			} else {
				quiet[wanted.Alert]++
			}
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			play(t, r, time.Duration(file.Every))
		})
	}
	for name := range alerts(t) {
		if fired[name] != 1 || quiet[name] == 0 {
			t.Errorf("%s fires in %d recordings and is quiet in %d", name, fired[name], quiet[name])
		}
	}
}

// play evaluates all rules over a recording, as a server does that gets these series, and compares what fires.
func play(t *testing.T, r recording, every time.Duration) {
	t.Helper()
	load := "load " + r.Interval.String() + "\n"
	for _, s := range r.Series {
		load += "  " + s.Series + " " + s.Values + "\n"
	}
	recorded, err := promqltest.NewLazyLoader(load, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	defer recorded.Close() //nolint:errcheck // it lies in a temporary folder
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(recorded.QueryEngine(), recorded.Storage()), AppendableV2: recorded.Storage(),
		Context: t.Context(), NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: slog.New(slog.DiscardHandler),
		Parser: parser.NewParser(parser.Options{}),
	})
	groups, problems := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, filepath.Join(folder, "alerts.yml"))
	if problems != nil {
		t.Fatal(problems)
	}
	for _, wanted := range r.Alerts {
		if wanted.At%r.Interval != 0 {
			t.Fatalf("%s is between two evaluations", wanted.At)
		}
	}
	for now := time.Unix(0, 0).UTC(); now.Before(time.Unix(0, 0).Add(2 * time.Hour)); now = now.Add(every) {
		recorded.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group.Eval(recorded.Context(), now)
			}
		})
		for _, wanted := range r.Alerts {
			if now.Equal(time.Unix(0, 0).Add(time.Duration(wanted.At))) {
				compare(t, wanted.Alert, wanted.Expected, active(t, groups, wanted.Alert))
			}
		}
	}
}

// active are the alerts of a rule that fire now.
func active(t *testing.T, groups map[string]*rules.Group, name string) (now []firing) {
	t.Helper()
	for _, group := range groups {
		for _, rule := range group.Rules() {
			if rule.LastError() != nil {
				t.Errorf("%s: %v", rule.Name(), rule.LastError())
			}
			alerting, is := rule.(*rules.AlertingRule)
			if !is || rule.Name() != name {
				continue
			}
			for _, alert := range alerting.ActiveAlerts() {
				if alert.State == rules.StateFiring {
					own := alert.Labels.Map()
					delete(own, "alertname")
					now = append(now, firing{own, alert.Annotations.Map()})
				}
			}
		}
	}
	return now
}

func compare(t *testing.T, name string, want, got []firing) {
	t.Helper()
	if !slices.EqualFunc(want, got, func(a, b firing) bool {
		return maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
	}) {
		t.Errorf("%s fires for %+v, not %+v", name, got, want)
	}
}

// TestAlerts_AreThoseOfThePage compares the rules with the runbooks' list, in both directions.
func TestAlerts_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "\n## What to alert on\n")
	list, _, _ = strings.Cut(list, "\n## ")
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z][A-Za-z]+)` \\|").FindAllStringSubmatch(list, -1) {
		named[row[1]] = true
	}
	rules := alerts(t)
	for name := range rules {
		if !named[name] {
			t.Errorf("the page does not name %s", name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("there is no rule %s", name)
	}
}
