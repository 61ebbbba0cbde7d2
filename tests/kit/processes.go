package kit

import (
	"bytes"
	"encoding/json"
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

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"example.com/ordersaga/apps/system/supervisor"
)

// MetricsAreNamedWell has every process' metrics read by the linter behind `promtool check metrics`.
func (s *System) MetricsAreNamedWell(t testing.TB) {
	t.Helper()
	urls := maps.Clone(s.At.URLs)
	for _, name := range []string{supervisor.Provisioner, supervisor.Translator} { // whose addresses nobody else needs
		if _, err := os.Stat(s.logOf(name)); err != nil {
			continue // not in this system
		}
		for _, line := range s.lines(t, name) {
			if line["msg"] == "serving" {
				urls[name] = "http://" + line["addr"].(string)
			}
		}
	}
	for name, url := range urls {
		response, err := http.Get(url + "/metrics") //nolint:noctx // of a process that runs here
		Must(t, err)
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // all of it is read
		Must(t, err)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s shows no metrics: %s", name, response.Status)
			continue
		}
		found, err := promlint.New(bytes.NewReader(text)).Lint()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, problem := range found {
			t.Errorf("%s: %s: %s", name, problem.Metric, problem.Text)
		}
	}
	if len(urls) < 10 {
		t.Errorf("only the metrics of %v were read", slices.Sorted(maps.Keys(urls)))
	}
}

// hexadecimal is what a trace's and a span's id look like, by their key.
var hexadecimal = map[string]*regexp.Regexp{
	"trace_id": regexp.MustCompile(`^[0-9a-f]{32}$`), "span_id": regexp.MustCompile(`^[0-9a-f]{16}$`),
}

// LogsHaveOneSchema reads all lines that our processes have written: each is a JSON object with time, level, msg and
// service, and one about an order has the trace id that follows from the order's.
func (s *System) LogsHaveOneSchema(t testing.TB) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.At.Logs, "*.log"))
	Must(t, err)
	read := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		if name == supervisor.Postgres || name == supervisor.NATS || strings.HasSuffix(name, "-sidecar") {
			continue // what others have written
		}
		for _, line := range s.lines(t, name) {
			read[name]++
			s.hasSchema(t, name, line)
		}
	}
	if len(read) < 10 {
		t.Errorf("only lines of %v were read", slices.Sorted(maps.Keys(read)))
	}
}

func (s *System) hasSchema(t testing.TB, name string, line map[string]any) {
	t.Helper()
	text := func(key string) string { value, _ := line[key].(string); return value }
	if _, err := time.Parse(time.RFC3339Nano, text("time")); err != nil {
		t.Errorf("%s writes the time %v", name, line["time"])
	}
	if !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, text("level")) || text("msg") == "" || text("service") == "" {
		t.Errorf("%s writes %v", name, line)
	}
	for key, form := range hexadecimal {
		if line[key] != nil && !form.MatchString(text(key)) {
			t.Errorf("%s writes the %s %v", name, key, line[key])
		}
	}
	about := line["span_id"] != nil || uuid.Validate(text("order_id")) == nil
	if about && line["trace_id"] == nil {
		t.Errorf("%s does not say of which trace %v is", name, line)
	}
}

// lines are the objects that a process has written. The last line may be on its way still.
func (s *System) lines(t testing.TB, process string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(s.logOf(process))
	Must(t, err)
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil {
			t.Errorf("%s writes %q, which is no JSON object: %v", process, line, err)
			continue
		}
		all = append(all, object)
	}
	return all
}

func (s *System) logOf(process string) string { return filepath.Join(s.At.Logs, process+".log") }
