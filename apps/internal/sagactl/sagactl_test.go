package sagactl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/internal/sagactl"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/version"
)

// result is what the program printed and how it ended.
type result struct {
	code     int
	out, err string
}

func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := sagactl.Run(t.Context(), args, sagactl.Terminal{Out: &out, Err: &errs, Environ: append(environ, "NO_COLOR=1")})
	return result{code, out.String(), errs.String()}
}

// describe writes a description of a system whose services all answer with the handler; only the admins that are named
// can be operated, or all.
func describe(t *testing.T, handler http.HandlerFunc, admins ...string) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	urls := map[string]string{}
	for _, name := range []string{"order", "inventory", "payment", "shipping", "notification", "gateway"} {
		urls[name] = server.URL
	}
	operated := maps.Clone(urls)
	maps.DeleteFunc(operated, func(name, _ string) bool { return len(admins) > 0 && !slices.Contains(admins, name) })
	file := filepath.Join(t.TempDir(), "run.json")
	if err := (endpoints.Description{URLs: urls, Admin: operated, AdminToken: "the-token", NATS: "nats://127.0.0.1:1"}).Write(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRun_ExitCodesAndWhatToRunNext(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "run.json")
	refusing := describe(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no such order"}`))
	})
	stale := filepath.Join(t.TempDir(), "run.json")
	if err := (endpoints.Description{URLs: map[string]string{"order": "http://127.0.0.1:1", "inventory": "http://127.0.0.1:1"}}).Write(stale); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		want string
		next string
	}{
		"no system runs":                  {[]string{"order", "list", "--file", nowhere}, 3, "no system is running", "make demo"},
		"nobody answers":                  {[]string{"order", "get", "x", "--file", stale}, 3, "connection refused", "make demo"},
		"nobody answers about stock":      {[]string{"stock", "list", "--file", stale}, 3, "connection refused", "make demo"},
		"refused":                         {[]string{"order", "get", "x", "--file", refusing}, 1, "there is no such order", "sagactl --file " + refusing + " order list"},
		"refused to show a saga":          {[]string{"order", "saga", "x", "--file", refusing}, 1, "there is no such order", "sagactl --file " + refusing + " order list"},
		"refused to cancel":               {[]string{"order", "cancel", "x", "--file", refusing}, 1, "there is no such order", "sagactl --file " + refusing + " order get x"},
		"an unknown command":              {[]string{"nonsense"}, 2, "unknown command", "sagactl --help"},
		"an unknown subcommand":           {[]string{"order", "nonsense"}, 2, "unknown command", "sagactl order --help"},
		"an unknown flag":                 {[]string{"order", "list", "--nonsense"}, 2, "unknown flag", "sagactl order list --help"},
		"an argument missing":             {[]string{"order", "get"}, 2, "accepts 1 arg", "sagactl order get --help"},
		"an unknown format":               {[]string{"order", "list", "-o", "xml"}, 2, "table or json", "sagactl order list --help"},
		"no number of pieces":             {[]string{"stock", "set", "widget", "many"}, 2, "many", "sagactl stock set widget 100"},
		"a fault that is none":            {[]string{"faults", "arm", "order", "nowhere=crash", "--file", refusing}, 2, "no point", "sagactl --file " + refusing + " faults points"},
		"a service without admin":         {[]string{"faults", "list", "nobody", "--file", refusing}, 2, "no admin listener", "sagactl --file " + refusing + " faults list"},
		"an incident that is none":        {[]string{"incidents", "show", "x", "--file", refusing}, 1, "no service has an incident", "sagactl --file " + refusing + " incidents list --all"},
		"a repair without a reason":       {[]string{"incidents", "retry", "x", "--file", refusing}, 2, "why", "sagactl incidents retry --help"},
		"a repair by nobody":              {[]string{"incidents", "retry", "x", "--why", "y", "--file", refusing}, 2, "nobody does it", "sagactl incidents retry x --why y --file " + refusing + " --by YOU"},
		"a reason of two words":           {[]string{"incidents", "retry", "x", "--why", "it's over", "--file", refusing}, 2, "nobody does it", `sagactl incidents retry x --why 'it'\''s over' --file ` + refusing + " --by YOU"},
		"a resolve without outcome":       {[]string{"incidents", "resolve", "x", "--why", "y", "--file", refusing}, 2, "outcome", "sagactl incidents resolve --help"},
		"a dead letter that is none":      {[]string{"dead-letters", "show", "x", "--file", refusing}, 1, "no service has a dead letter", "sagactl --file " + refusing + " dead-letters list --all"},
		"a redrive of nothing":            {[]string{"dead-letters", "redrive", "--why", "y", "--file", refusing}, 2, "say which one, or --all", "sagactl dead-letters redrive --help"},
		"a discard without a reason":      {[]string{"dead-letters", "discard", "x", "--file", refusing}, 2, "why", "sagactl dead-letters discard --help"},
		"a redrive by nobody":             {[]string{"dead-letters", "redrive", "x", "--why", "y", "--file", refusing}, 2, "nobody does it", "sagactl dead-letters redrive x --why y --file " + refusing + " --by YOU"},
		"an edit that is no JSON":         {[]string{"dead-letters", "redrive", "x", "--why", "y", "--by", "z", "--payload", broken, "--file", refusing}, 2, "is no JSON", "sagactl --file " + refusing + " dead-letters show x"},
		"letters of nobody":               {[]string{"dead-letters", "list", "--service", "nobody", "--file", refusing}, 2, "no admin listener", "sagactl dead-letters list --help"},
		"a broken description":            {[]string{"order", "list", "--file", broken}, 2, "run.json", "sagactl --file"},
		"an incomplete description":       {[]string{"verify", "--file", refusing}, 2, "lacks the order database", "sagactl verify --file"},
		"scenes that there are not":       {[]string{"demo", "--scenes", "some"}, 2, "all or none", "sagactl demo --help"},
		"a demo without orders":           {[]string{"demo", "--without", "order"}, 2, "order cannot be left out", "sagactl demo --without shipping"},
		"a demo without nobody":           {[]string{"demo", "--without", "shipping,nobody"}, 2, `"nobody" is no service`, "sagactl demo --without shipping"},
		"one without and with":            {[]string{"demo", "--without", "payment", "--replicas", "payment=2"}, 2, "payment cannot be left out and", "sagactl demo --without shipping"},
		"scenes without a service":        {[]string{"demo", "--without", "payment", "--without", "shipping", "--scenes", "all"}, 2, "need every service", "sagactl demo --without shipping"},
		"once, without a service":         {[]string{"demo", "--without", "payment", "--once"}, 2, "need every service", "sagactl demo --without shipping"},
		"a suite that there is not":       {[]string{"conformance", "order"}, 2, `no suite for "order"`, "sagactl conformance shipping"},
		"a suite of nothing":              {[]string{"conformance"}, 2, "accepts 1 arg", "sagactl conformance --help"},
		"a port that is none":             {[]string{"demo", "--port", "order"}, 2, "process=port", "sagactl demo --port"},
		"a build that is not there":       {[]string{"bench", "--against", nowhere}, 2, "there is no folder", "sagactl bench --help"},
		"a build without programs":        {[]string{"bench", "--against", t.TempDir()}, 2, "lacks the programs sagactl", "sagactl bench --help"},
		"pairs of one build":              {[]string{"bench", "--pairs", "2"}, 2, "there is no folder", "sagactl bench --help"},
		"no pairs":                        {[]string{"bench", "--against", ".", "--pairs", "0"}, 2, "--pairs must be at least 1", "sagactl bench --help"},
		"nothing in flight":               {[]string{"bench", "--against", ".", "--in-flight", "64,0"}, 2, "--in-flight must be at least 1", "sagactl bench --help"},
		"no process of a service":         {[]string{"bench", "--replicas", "0"}, 2, "--replicas must be at least 1", "sagactl bench --help"},
		"both comparisons":                {[]string{"bench", "--against", ".", "--idle", "1s"}, 2, "against idle", "sagactl bench --help"},
		"a lab outside of the repository": {[]string{"lab", "start", "1"}, 2, "there are no labs here", "cd to the root"},
		"a lab that nobody began":         {[]string{"lab", "check", "--state", nowhere}, 1, "you are in no lab", "sagactl lab start 1"},
		"no programs":                     {[]string{"demo", "--bin", t.TempDir(), "--dir", t.TempDir()}, 1, "lacks the programs", "make build"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got := run(t, nil, test.args...)
			if got.code != test.code || !strings.Contains(got.err, test.want) || !strings.Contains(got.err, "\ntry: "+test.next) {
				t.Errorf("code %d, printed %q; want %d, %q and %q", got.code, got.err, test.code, test.want, test.next)
			}
			if strings.Count(strings.TrimSpace(got.err), "\n") > 1 {
				t.Errorf("an error and what to do are two lines, not %q", got.err)
			}
		})
	}
}

func TestRun_HelpIsNoError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"order"}, {"order", "place", "--help"}, {"faults"}} {
		if got := run(t, nil, args...); got.code != 0 || got.out == "" || got.err != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

const placed = `{"id":"0193","status":"CANCELLED","reason":"card_declined","customer_id":"c","total":{"amount":3998,"currency":"USD"},
	"items":[{"sku":"widget","quantity":2,"unit_price":1999}],"incidents":[],"payment_method":"tok_declined","shipment_id":null,
	"ship_to":{"name":"n","street":"s","city":"c","postal_code":"p","country":"DE"},
	"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z","deadline":"2026-01-02T03:05:05Z"}`

func TestOrder_IsPlacedWithTheFlags(t *testing.T) {
	t.Parallel()
	var body map[string]any
	key := ""
	file := describe(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			key = r.Header.Get("Idempotency-Key")
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusAccepted)
		}
		_, _ = w.Write([]byte(placed))
	})
	got := run(t, []string{"ORDERSAGA_FILE=" + file}, "order", "place", "--sku", "widget", "--quantity", "2",
		"--token", "tok_declined", "--country", "AQ", "--key", "mine", "--wait")
	want := "ORDER  STATUS         TOTAL  ITEMS       WHY\n0193   CANCELLED  39.98 USD  2 × widget  card_declined\n"
	if got.code != 0 || got.out != want {
		t.Errorf("%+v, want %q", got, want)
	}
	if key != "mine" || body["payment_method"] != "tok_declined" || body["ship_to"].(map[string]any)["country"] != "AQ" {
		t.Errorf("key %q, body %v", key, body)
	}
	if items := body["items"].([]any); len(items) != 1 || items[0].(map[string]any)["quantity"] != 2.0 {
		t.Errorf("items %v", items)
	}
}

func TestOutput_JSONIsForPrograms(t *testing.T) {
	t.Parallel()
	file := describe(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(placed))
	})
	got := run(t, nil, "order", "get", "0193", "-o", "json", "--file", file)
	var order map[string]any
	if err := json.Unmarshal([]byte(got.out), &order); err != nil || order["status"] != "CANCELLED" {
		t.Errorf("%v: %q", err, got.out)
	}
}

func TestOrder_SagaIsShownWithWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	since := time.Now().Add(-3 * time.Second).Format(time.RFC3339)
	saga := `{"order_id": "0193", "status": "NEEDS_ATTENTION", "state": "In Progress", "direction": "forward",
		"steps": [{"step": "charge", "service": "payment", "progress": "Processing", "state": "UNKNOWN", "attempts": 4, "problem": "no answer"}],
		"incidents": [{"id": "i", "service": "payment", "kind": "charge_undecided", "reason": "no answer", "opened_at": "` + since + `"}],
		"mails": [],
		"expected": {"service": "payment", "events": ["PaymentProcessed", "PaymentFailed"]},
		"waiting_for": {"step": "charge", "service": "payment", "since": "` + since + `", "attempts": 4, "why": "no answer"}}`
	file := describe(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/orders/0193/saga" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(saga))
	})
	got := run(t, nil, "order", "saga", "0193", "--file", file)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{
		"In Progress, forward; the order is NEEDS_ATTENTION", "charge  payment  Processing  UNKNOWN", "incident i of payment: charge_undecided: no answer",
		"waits for charge by payment for ", ", 4 attempts: no answer", "next: PaymentProcessed or PaymentFailed from payment",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s", want, got.out)
		}
	}
}

func TestFaults_AreArmedOverTheAdminListener(t *testing.T) {
	t.Parallel()
	set := failpoint.NewSet()
	handler := failpoint.Handler(set)
	file := describe(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	})
	armed := run(t, nil, "faults", "arm", "payment", "gateway.before_charge=delay:3s;times=2;percent=50", "--file", file)
	if armed.code != 0 {
		t.Fatalf("%+v", armed)
	}
	list := set.List()
	if len(list) != 1 || list[0].Delay != 3*time.Second || list[0].Times != 2 || list[0].Percent != 50 {
		t.Errorf("armed: %+v", list)
	}
	if got := run(t, nil, "faults", "list", "payment", "--file", file); !strings.Contains(got.out, "gateway.before_charge  delay:3s") {
		t.Errorf("listed: %+v", got)
	}
	if got := run(t, nil, "faults", "list", "payment", "-o", "json", "--file", file); !strings.Contains(got.out, `"service": "payment"`) ||
		!strings.Contains(got.out, `"next": null`) {
		t.Errorf("listed as JSON: %+v", got)
	}
	if got := run(t, nil, "faults", "clear", "payment", list[0].ID, "--file", file); got.code != 0 || len(set.List()) != 0 {
		t.Errorf("cleared: %+v, left %v", got, set.List())
	}
	if got := run(t, nil, "faults", "release", "payment", "99", "--file", file); got.code != 1 || !strings.Contains(got.err, "no such fault") {
		t.Errorf("released what is not there: %+v", got)
	}
}

func TestFaults_EveryPointHasASentence(t *testing.T) {
	t.Parallel()
	got := run(t, nil, "faults", "points")
	if lines := strings.Count(got.out, "\n"); got.code != 0 || lines != len(failpoint.Points())+1 || lines < 40 {
		t.Errorf("code %d, %d lines", got.code, lines)
	}
}

func TestFaults_PointsAreListedWithWhoPassesThem(t *testing.T) {
	t.Parallel()
	got := run(t, nil, "faults", "points", "inventory")
	lines := strings.Join(strings.Fields(got.out), " ")
	if got.code != 0 || strings.Contains(lines, "gateway.") || !strings.Contains(lines, "inbox.received all ") ||
		!strings.Contains(lines, "idempotency.stored order, inventory, payment Work and answer") {
		t.Errorf("%+v", got)
	}
}

// A point that the service never passes is refused with the command that lists those that it does; a process that takes no
// faults at all is named.
func TestFaults_WhatCannotFireIsRefused(t *testing.T) {
	t.Parallel()
	set, err := failpoint.FromEnv("inventory", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	takes := describe(t, failpoint.Handler(set).ServeHTTP)
	for _, point := range []string{"gateway.before_charge", "mail.sent", "intake.gathered"} {
		got := run(t, nil, "faults", "arm", "inventory", point+"=crash", "--file", takes)
		if got.code != 1 || !strings.Contains(got.err, "inventory never passes "+point+", only ") || !strings.Contains(got.err, "faults points inventory") || set.Armed() {
			t.Errorf("%+v", got)
		}
	}
	for _, point := range []string{"inbox.received", "idempotency.stored"} {
		if got := run(t, nil, "faults", "arm", "inventory", point+"=crash", "--file", takes); got.code != 0 {
			t.Errorf("%+v", got)
		}
	}
	off := describe(t, http.NotFound)
	if got := run(t, nil, "faults", "list", "--file", off); got.code != 1 || !strings.Contains(got.err, "order takes no faults: start it with FAULTS_ENABLED=true") {
		t.Errorf("%+v", got)
	}
}

func TestOutput_TablesFitANarrowTerminal(t *testing.T) {
	t.Parallel()
	got := run(t, []string{"COLUMNS=30"}, "faults", "points")
	for line := range strings.SplitSeq(got.out, "\n") {
		if len([]rune(line)) > 30 {
			t.Errorf("%q is wider than 30 columns", line)
		}
	}
}

func TestNatsConf_IsTheOneOfTheDeployment(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../../deploy/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, nil, "nats-conf"); got.code != 0 || got.out != string(want) {
		t.Errorf("deploy/nats.conf is stale: run `make generate`; code %d\n%s", got.code, got.out)
	}
}

func TestDemo_EndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code := sagactl.Run(ctx, []string{"demo", "--dir", t.TempDir(), "--scenes", "none"}, sagactl.Terminal{Out: &out, Err: &errs})
	if code != 1 {
		t.Errorf("code %d: %s", code, errs.String())
	}
}

// The repair arrives with the state that was shown.
func TestIncidents_AreRepairedForTheStateThatIsShown(t *testing.T) {
	t.Parallel()
	const id = "019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42"
	shown := `{"id":"` + id + `","order_id":"o-1","kind":"refund_refused","reason":"refund_refused","opened_at":"2026-01-02T03:04:05Z",
		"resolved_at":null,"resolution":null,"state":{"state":"REFUND_REFUSED","refund_number":3},
		"possible":[{"action":"resolve","outcome":"settlement","means":"it is recorded"}],
		"actions":[{"at":"2026-01-02T03:04:06Z","by":"ada","why":"to try","action":"retry","before":{},"after":{}}]}`
	sent := make(chan map[string]any, 10)
	file := describe(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body := map[string]any{"path": r.URL.Path, "key": r.Header.Get("Idempotency-Key")}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			sent <- body
			if body["expected_state"] == "UNKNOWN" {
				w.WriteHeader(http.StatusConflict)
				shown := `{"title":"Conflict","status":409,"detail":"The payment is REFUND_REFUSED (refund 3)."}`
				_, _ = w.Write([]byte(shown))
				return
			}
		}
		_, _ = w.Write([]byte(shown))
	}, "payment")
	user := []string{"USER=grace"}
	got := run(t, user, "incidents", "resolve", id, "--outcome", "settlement", "--reference", "bank 7", "--why", "it came back", "--key", "k", "--file", file)
	if got.code != 0 || !strings.Contains(got.out, "can     resolve settlement: it is recorded") || !strings.Contains(got.out, "retry by ada: to try") {
		t.Errorf("%+v", got)
	}
	want := map[string]any{
		"path": "/incidents/" + id + "/resolve", "key": "k", "by": "grace", "why": "it came back", "outcome": "settlement",
		"reference": "bank 7", "expected_state": "REFUND_REFUSED", "expected_refund_number": 3.0,
	}
	if body := <-sent; !maps.Equal(body, want) {
		t.Errorf("sent %v", body)
	}
	got = run(t, user, "incidents", "retry", id, "--why", "y", "--expect", "UNKNOWN", "--file", file)
	if got.code != 1 || !strings.Contains(got.err, "The payment is REFUND_REFUSED (refund 3).") || !strings.Contains(got.err, "run.json incidents show "+id) {
		t.Errorf("%+v", got)
	}
	if got = run(t, user, "incidents", "retry", id, "--why", "y", "--expect", "UNKNOWN:x", "--file", file); got.code != 2 {
		t.Errorf("%+v", got)
	}
	if body := <-sent; body["expected_state"] != "UNKNOWN" || body["key"] == "" {
		t.Errorf("sent %v", body)
	}
}

func TestVersion_IsPrinted(t *testing.T) {
	t.Parallel()
	if got := run(t, nil, "version"); got.code != 0 || !strings.HasPrefix(got.out, "sagactl "+version.Number+" (commit ") {
		t.Errorf("%+v", got)
	}
	if got := run(t, nil, "version", "-o", "json"); got.code != 0 || !strings.Contains(got.out, `"version": "`+version.Number+`"`) {
		t.Errorf("%+v", got)
	}
	if got := run(t, nil, "--help"); !strings.Contains(got.out, "completion") {
		t.Errorf("the completions are not listed: %s", got.out)
	}
}

// The codes that the page has are those that there are, and what each stands for is done here.
func TestExitCodes_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/reference/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Exit codes of sagactl")
	table, _, _ = strings.Cut(table, "\n## ")
	slow := describe(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	answers := func(status int) string {
		return describe(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	waits := describe(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
		}
		_, _ = w.Write([]byte(`{"id": "0193", "status": "CANCELLING"}`))
	})
	seen := map[int]bool{}
	for name, test := range map[string]struct {
		args []string
		code int
		next string
	}{
		"done":                    {[]string{"version"}, 0, ""},
		"refused":                 {[]string{"order", "get", "x", "--file", answers(404)}, 1, "order list"},
		"another system's token":  {[]string{"incidents", "list", "--file", answers(401)}, 1, "the token is that of another system"},
		"not now":                 {[]string{"order", "list", "--file", answers(503)}, 1, "the same again in a moment"},
		"a wait that is over":     {[]string{"order", "cancel", "0193", "--wait=1ms", "--file", waits}, 1, "order saga 0193"},
		"a command that is wrong": {[]string{"order", "eat"}, 2, "sagactl order --help"},
		"nobody there":            {[]string{"order", "list", "--file", "/nowhere/run.json"}, 3, "make demo"},
		"too slow":                {[]string{"incidents", "list", "--file", slow}, 3, "the same again   (it takes connections and did not answer in time"},
	} {
		got := run(t, nil, test.args...)
		if got.code != test.code || !strings.Contains(got.err, test.next) {
			t.Errorf("%s: %+v, want code %d and %q", name, got, test.code, test.next)
		}
		if name == "too slow" && strings.Contains(got.err, "make demo") {
			t.Error("what is only slow is to be started")
		}
		seen[got.code] = true
		if !strings.Contains(table, fmt.Sprintf("\n| %d | ", got.code)) {
			t.Errorf("the page has no code %d", got.code)
		}
	}
	if rows := len(regexp.MustCompile(`\n\| \d+ \|`).FindAllString(table, -1)); rows != len(seen) {
		t.Errorf("the page has %d codes, %d were seen", rows, len(seen))
	}
}
