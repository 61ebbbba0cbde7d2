package sagactl_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
)

const shownLetter = `{"id":"l-1","event_id":"e-1","order_id":"o-1","type":"saga.order.OrderCreated.v1","subject":"s","reason":"an order for -1",
	"attempts":3,"first_at":"2026-01-02T03:04:05Z","last_at":"2026-01-02T03:04:06Z","closed_at":null,"closed_as":null,
	"payload":{"id":"e-1"},"actions":[{"at":"2026-01-02T03:04:06Z","by":"ada","why":"to try","action":"redrive","before":{},"after":{}}]}`

// request is what an admin API got.
type request struct {
	path, key string
	body      map[string]any
}

// adminAPI answers as inventory's admin listener does; to posts with the given answer.
func adminAPI(t *testing.T, answer func(r request, n int) string) (file string, sent *[]request) {
	t.Helper()
	sent = &[]request{}
	file = describe(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			got := request{path: r.URL.Path, key: r.Header.Get("Idempotency-Key")}
			if err := json.NewDecoder(r.Body).Decode(&got.body); err != nil {
				t.Error(err)
			}
			*sent = append(*sent, got)
			_, _ = w.Write([]byte(answer(got, len(*sent))))
			return
		}
		if r.URL.Path == "/dead-letters" {
			*sent = append(*sent, request{path: r.URL.RequestURI()})
			_, _ = w.Write([]byte(`{"dead_letters":[` + shownLetter + `],"next":null}`))
			return
		}
		_, _ = w.Write([]byte(shownLetter))
	}, "inventory")
	return file, sent
}

var grace = []string{"USER=grace"}

func TestDeadLetters_AreListedAndShown(t *testing.T) {
	t.Parallel()
	file, sent := adminAPI(t, nil)
	got := run(t, nil, "dead-letters", "list", "--service", "inventory", "--reason", "order for", "--file", file)
	if got.code != 0 || !strings.Contains(got.out, "l-1  inventory  saga.order.OrderCreated.v1  o-1           3") || !strings.Contains(got.out, "an order for -1") {
		t.Errorf("%+v", got)
	}
	if path := (*sent)[0].path; len(*sent) != 1 || !strings.Contains(path, "open=true") || !strings.Contains(path, "reason=order+for") {
		t.Errorf("asked for %v", *sent)
	}
	got = run(t, nil, "dead-letters", "show", "l-1", "--service", "inventory", "--file", file)
	for _, want := range []string{"l-1  of inventory, open", "reason  an order for -1", "tried   3 times", `message {"id":"e-1"}`, "redrive by ada: to try"} {
		if got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("%q is not in %+v", want, got)
		}
	}
}

// The decision arrives with the attempts that were shown; what fails again is exit code 1.
func TestDeadLetters_AreRedrivenForTheAttemptsThatAreShown(t *testing.T) {
	t.Parallel()
	edited := filepath.Join(t.TempDir(), "edited.json")
	if err := os.WriteFile(edited, []byte(`{"id":"e-1","quantity":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	file, sent := adminAPI(t, func(r request, _ int) string {
		if r.body["payload"] == nil {
			return `{"id":"l-1","outcome":"failed","attempts":4,"reason":"an order for -1"}`
		}
		return `{"id":"l-1","outcome":"redriven","attempts":3,"reason":""}`
	})
	got := run(t, grace, "dead-letters", "redrive", "l-1", "--why", "w", "--key", "k", "--file", file)
	if got.code != 1 || !strings.Contains(got.err, "failed again: an order for -1") || !strings.Contains(got.err, "run.json dead-letters show l-1") {
		t.Errorf("%+v", got)
	}
	if got = run(t, grace, "dead-letters", "redrive", "l-1", "--why", "w", "--payload", edited, "--expect", "2", "--file", file); got.code != 0 {
		t.Errorf("%+v", got)
	}
	first, second := (*sent)[0], (*sent)[1]
	if first.path != "/dead-letters/l-1/redrive" || first.key != "k" || first.body["by"] != "grace" || first.body["why"] != "w" || first.body["expected_attempts"] != 3.0 {
		t.Errorf("sent %+v", first)
	}
	if payload, _ := second.body["payload"].(map[string]any); payload["quantity"] != 1.0 || second.body["expected_attempts"] != 2.0 || second.key == "" {
		t.Errorf("sent %+v", second)
	}
}

// Which one is meant is not guessed: not between two, and not where a service that may have it too does not answer.
func TestFind_AnIDOfTwoServicesNeedsTheService(t *testing.T) {
	t.Parallel()
	acted := make(chan string, 10)
	have := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			acted <- r.Host + r.URL.Path
		}
		_, _ = w.Write([]byte(`{"id":"x-1","state":{"state":"OVERDUE"},"outcome":"redriven"}`))
	}
	two := describe(t, have, "inventory", "notification")
	silent, err := endpoints.Find(two, nil)
	if err != nil {
		t.Fatal(err)
	}
	silent.Admin["notification"] = "http://127.0.0.1:1"
	one := filepath.Join(t.TempDir(), "run.json")
	if err := silent.Write(one); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"dead-letters", "show", "x-1"},
		{"dead-letters", "redrive", "x-1", "--why", "w"},
		{"dead-letters", "discard", "x-1", "--why", "w"},
		{"incidents", "show", "x-1"},
		{"incidents", "retry", "x-1", "--why", "w"},
		{"incidents", "resolve", "x-1", "--outcome", "refund", "--why", "w"},
	} {
		got := run(t, grace, append(args, "--file", two)...)
		if got.code != 2 || !strings.HasPrefix(got.err, "sagactl: inventory and notification have a") ||
			!strings.Contains(got.err, "name one with --service\n") || len(acted) > 0 {
			t.Errorf("%v: %+v, and %d actions", args, got, len(acted))
		}
		got = run(t, grace, append(args, "--file", one)...)
		if got.code != 3 || !strings.HasSuffix(got.err, "--file "+one+" --service inventory\n") || len(acted) > 0 {
			t.Errorf("%v without notification: %+v, and %d actions", args, got, len(acted))
		}
		got = run(t, grace, append(args, "--file", two, "--service", "notification")...)
		if got.code != 0 || args[1] != "show" && <-acted == "" {
			t.Errorf("%v of notification: %+v", args, got)
		}
	}
}

// All means batch after batch, each a request of its own, for the letters that there were when it began.
func TestDeadLetters_AllAreRedrivenInBatches(t *testing.T) {
	t.Parallel()
	const until = `"until":"2026-01-02T03:04:07Z"`
	file, sent := adminAPI(t, func(_ request, n int) string {
		if n == 1 {
			return `{"remaining":1,` + until + `,"letters":[{"id":"a","outcome":"redriven"},{"id":"b","outcome":"failed"}]}`
		}
		return `{"remaining":0,` + until + `,"letters":[{"id":"c","outcome":"duplicate"}]}`
	})
	got := run(t, grace, "dead-letters", "redrive", "--all", "--service", "inventory", "--reason", "-1", "--replace", "a", "--with", "b", "--why", "w", "--key", "k", "--file", file)
	if got.code != 1 || !strings.Contains(got.out, "1 redriven, 1 duplicates, 1 failed again, 0 skipped") || !strings.Contains(got.err, "1 of 3 failed again") {
		t.Errorf("%+v", got)
	}
	first, second := (*sent)[0], (*sent)[1]
	if len(*sent) != 2 || first.path != "/dead-letters/redrive" || first.key == second.key || first.body["until"] != nil || second.body["until"] != "2026-01-02T03:04:07Z" ||
		second.body["reason"] != "-1" || second.body["replace"] != "a" || second.body["with"] != "b" || second.body["by"] != "grace" {
		t.Errorf("sent %+v", *sent)
	}
}

// incidentsOfAll answers as the admin listeners of services that share these incidents between them: the nth is one of
// the nth service, and was opened n seconds ago.
func incidentsOfAll(t *testing.T, n int) (file string) {
	t.Helper()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file = filepath.Join(t.TempDir(), "run.json")
	urls := map[string]string{}
	for place, service := range events.Consumers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var left []adminapi.Incident
			for i := place; i < n; i += len(events.Consumers) {
				one := adminapi.Incident{ID: fmt.Sprintf("i-%04d", i), OpenedAt: begin.Add(-time.Duration(i) * time.Second)}
				if after := r.URL.Query().Get("after"); after == "" || one.Cursor() < after {
					left = append(left, one)
				}
			}
			limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
			if err != nil || limit < 1 || limit > 500 {
				t.Errorf("asked for %s", r.URL)
				limit = 1
			}
			shown, next := adminapi.Cut(left, limit, adminapi.Incident.Cursor)
			_ = json.NewEncoder(w).Encode(map[string]any{"incidents": shown, "next": next})
		}))
		t.Cleanup(server.Close)
		urls[string(service)] = server.URL
	}
	if err := (endpoints.Description{URLs: urls, Admin: urls}).Write(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// A list that stops says so, and the command that it names goes on there, over all services, to the oldest.
func TestLists_TheOldestIsReached(t *testing.T) {
	t.Parallel()
	file := incidentsOfAll(t, 1203)
	listed := func(args ...string) (ids []string, next *string) {
		got := run(t, nil, append([]string{"incidents", "list", "--file", file, "-o", "json"}, args...)...)
		var page struct {
			Incidents []struct{ ID, Service string }
			Next      *string
		}
		if err := json.Unmarshal([]byte(got.out), &page); err != nil || got.code != 0 {
			t.Fatalf("%+v: %v", got, err)
		}
		for _, i := range page.Incidents {
			ids = append(ids, i.ID)
		}
		return ids, page.Next
	}
	for _, limit := range []string{"0", "1203", "1202", "7", "500", "50"} {
		all, next := listed("--limit", limit)
		for next != nil && len(all) < 1300 {
			var more []string
			more, next = listed("--limit", limit, "--after", *next)
			all = append(all, more...)
		}
		if !slices.IsSorted(all) || len(slices.Compact(all)) != 1203 {
			t.Errorf("--limit %s lists %d, in order: %v", limit, len(all), slices.IsSorted(all))
		}
	}
	got := run(t, nil, "incidents", "list", "--all", "--after", "2026-01-02T03:04:05.000000Z_i-0000", "--limit", "2", "--file", file)
	if want := "more: sagactl incidents list --all --limit 2 --file " + file + " --after 2026-01-02T03:04:03.000000Z_i-0002\n"; !strings.HasSuffix(got.out, want) {
		t.Errorf("it ends with %q, want %q", got.out, want)
	}
	if got = run(t, nil, "incidents", "list", "--limit", "0", "--file", file); strings.Contains(got.out, "more:") {
		t.Error("the whole list says that there is more")
	}
	for _, list := range []string{"incidents", "dead-letters", "order"} {
		if got = run(t, nil, list, "list", "--limit", "-1", "--file", file); got.code != 2 {
			t.Errorf("%+v", got)
		}
	}
}
