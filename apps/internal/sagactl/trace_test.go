package sagactl_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"example.com/ordersaga/apps/internal/console/traces"
	"example.com/ordersaga/apps/system/endpoints"
)

const traced = "0193a000-0000-7000-8000-00000000abcd"

// aTrace is an order whose event was delivered twice, and whose charge failed once.
func aTrace() traces.Trace {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(ms float64) time.Time { return began.Add(time.Duration(ms * 1e6)) }
	again := map[string]string{"ordersaga.redelivered": "true", "ordersaga.delivery.attempt": "2", "ordersaga.duplicate": "true"}
	return traces.Trace{
		OrderID: traced, TraceID: strings.Repeat("a", 32), Start: began, Duration: 100e6, Ended: true, Missing: 1, Error: true,
		Spans: []traces.Span{
			{ID: "1", Name: "accept order", Service: "order", Kind: "internal", Start: began, Duration: 10e6, Segment: "work"},
			{ID: "2", Parent: "1", Name: "send OrderCreated", Service: "order", Start: at(10), Duration: 10e6, Segment: "outbox", Event: "OrderCreated"},
			{ID: "3", Parent: "1", Name: "receive OrderCreated", Service: "payment", Start: at(20), Duration: 20e6, Segment: "stream"},
			{ID: "4", Parent: "1", Name: "process OrderCreated", Service: "payment", Start: at(40), Duration: 50e6, Segment: "work"},
			{ID: "5", Parent: "4", Name: "POST", Service: "payment", Start: at(50), Duration: 30e6, Status: "error", Error: "503"},
			{ID: "6", Parent: "gone", Name: "process OrderCreated", Service: "payment", Start: at(90), Duration: 10e6, Segment: "work", Attributes: again},
		},
		Links: []traces.Linked{{Name: "commit batch", Service: "payment", To: "4", Duration: 3e6}},
	}
}

// console answers with a status and a value; the description names it.
func console(t *testing.T, status int, answer any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/orders/"+traced+"/trace" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return described(t, server.URL)
}

func described(t *testing.T, console string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.json")
	if err := (endpoints.Description{URLs: map[string]string{endpoints.Console: console}}).Write(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTrace_IsDrawnInEightyColumns(t *testing.T) {
	t.Parallel()
	want := strings.TrimPrefix(`
100.0 ms over 2 processes, 6 spans; some died with their process
accept order          order   ███                                        10.0 ms
 send OrderCreated    order      ░░░░                                    10.0 ms
 receive OrderCreated payment        ────────                            20.0 ms
 process OrderCreated payment                ████████████████████        50.0 ms
  POST                payment                    ▄▄▄▄▄▄▄▄▄▄▄▄        ✖   30.0 ms
process OrderCreated  payment                                    ████=⟲  10.0 ms
linked, each in a trace of its own:
 commit batch in payment, 3.0 ms
`, "\n")
	got := run(t, nil, "trace", traced, "--file", console(t, http.StatusOK, aTrace()))
	if got.code != 0 || got.out != want || got.err != "" {
		t.Errorf("code %d\n%s\nwant\n%s%s", got.code, got.out, want, got.err)
	}
}

func TestTrace_FitsTheTerminal(t *testing.T) {
	t.Parallel()
	file := console(t, http.StatusOK, aTrace())
	for _, columns := range []string{"30", "40", "60", "80", "160"} {
		got := run(t, []string{"COLUMNS=" + columns}, "trace", traced, "--file", file)
		widest := 0
		for line := range strings.Lines(got.out) {
			widest = max(widest, ansi.StringWidth(strings.TrimSuffix(line, "\n")))
		}
		if limit := map[string]int{"30": 30, "40": 40, "60": 60, "80": 80, "160": 160}[columns]; got.code != 0 || widest > limit || limit >= 60 && widest < limit {
			t.Errorf("in %s columns it is %d wide, code %d\n%s", columns, widest, got.code, got.out)
		}
	}
}

func TestTrace_WhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*traces.Trace){
		"; not complete yet":               func(one *traces.Trace) { one.Ended = false },
		"; the beginning was not recorded": func(one *traces.Trace) { one.Partial = true },
	} {
		one := aTrace()
		change(&one)
		if got := run(t, nil, "trace", traced, "--file", console(t, http.StatusOK, one)); !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s", want, got.out)
		}
	}
}

func TestTrace_JSONIsTheConsolesAnswer(t *testing.T) {
	t.Parallel()
	got := run(t, nil, "trace", traced, "-o", "json", "--file", console(t, http.StatusOK, aTrace()))
	var trace traces.Trace
	if err := json.Unmarshal([]byte(got.out), &trace); err != nil || got.code != 0 || len(trace.Spans) != 6 || trace.Spans[4].Error != "503" {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestTrace_WhyThereIsNoneIsOneLineAndAnExitCode(t *testing.T) {
	t.Parallel()
	problem := func(code, detail string) map[string]any {
		return map[string]any{"title": "Not Found", "status": 404, "code": code, "detail": detail}
	}
	for name, test := range map[string]struct {
		file string
		code int
		want string
		next string
	}{
		"not found":   {console(t, http.StatusNotFound, problem(traces.CodeNoTrace, "there is no trace of this order")), 1, "sagactl: there is no trace of this order (404)\n", "order list"},
		"off":         {console(t, http.StatusNotFound, problem(traces.CodeOff, "tracing is off, no span has arrived: start …")), 1, "sagactl: tracing is off: no span has arrived: start …\n", "make demo"},
		"away":        {described(t, "http://127.0.0.1:1"), 3, "ask the console: ", "make demo"},
		"no console":  {described(t, ""), 2, "lacks the console's address", "sagactl trace " + traced + " --file"},
		"no system":   {filepath.Join(t.TempDir(), "run.json"), 3, "no system is running", "make demo"},
		"not its own": {console(t, http.StatusOK, "a text"), 1, "ask the console: ", "sagactl --file"},
	} {
		got := run(t, nil, "trace", traced, "--file", test.file)
		if got.code != test.code || !strings.Contains(got.err, test.want) || !strings.Contains(got.err, "\ntry: ") || !strings.Contains(got.err, test.next) || strings.Count(got.err, "\n") != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := run(t, nil, "trace"); got.code != 2 || !strings.Contains(got.err, "accepts 1 arg") {
		t.Errorf("without an order: %+v", got)
	}
}
