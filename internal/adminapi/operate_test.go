package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// newAPI is one of a service whose transactions wake nobody.
func newAPI(t *testing.T, service events.Service) adminapi.API {
	t.Helper()
	pool := testkit.Database(t, service).Pool
	return adminapi.API{Pool: pool, Transact: func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, fn) }}
}

func request(body string) idempotency.Request {
	return idempotency.Request{Scope: "operator", Key: "k", Fingerprint: []byte(body)}
}

var action = adminapi.Action{
	By: "grace", Why: "it was stuck", Action: "push", TargetKind: "thing", TargetID: "1",
	Before: map[string]int{"at": 1}, After: map[string]int{"at": 2}, Answer: map[string]string{"z": "first", "a": "second"},
}

func TestAction_OneKeyIsOneActionHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Shipping)
	var acted, fresh atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			answer, replayed, err := d.Do(t.Context(), request("body"), func(pgx.Tx) (adminapi.Action, error) {
				acted.Add(1)
				return action, nil
			})
			if err != nil || string(answer) != `{"a":"second","z":"first"}` {
				t.Errorf("%s, %v", answer, err)
			}
			if !replayed {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if acted.Load() != 1 || fresh.Load() != 1 {
		t.Errorf("acted %d times, %d were answered that they were the first", acted.Load(), fresh.Load())
	}
	if _, _, err := d.Do(t.Context(), request("another"), nil); err == nil || !strings.Contains(err.Error(), "another request") {
		t.Errorf("another body under the key: %v", err)
	}
}

// An action that fails leaves neither its change nor its record, and its key is free.
func TestAction_AFailureIsNotRecorded(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Shipping)
	broken := errors.New("broken")
	if _, _, err := d.Do(t.Context(), request(""), func(pgx.Tx) (adminapi.Action, error) { return action, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, replayed, err := d.Do(t.Context(), request(""), func(pgx.Tx) (adminapi.Action, error) { return action, nil }); replayed || err != nil {
		t.Errorf("replayed %v, %v", replayed, err)
	}
}

// The history is kept from the login of every service, whatever it is called.
func TestAction_NoServiceCanRewriteItsHistory(t *testing.T) {
	t.Parallel()
	for _, service := range events.Consumers {
		t.Run(string(service), func(t *testing.T) {
			t.Parallel()
			d := newAPI(t, service)
			if _, _, err := d.Do(t.Context(), request(""), func(pgx.Tx) (adminapi.Action, error) { return action, nil }); err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{`UPDATE operator_action SET by = 'x'`, `DELETE FROM operator_action`, `TRUNCATE operator_action`} {
				_, err := d.Pool.Exec(t.Context(), sql)
				if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
}

// A service that closes its incidents by itself shows them, and offers nothing.
func TestIncidents_AreShownWhereNothingCanBeDone(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Order)
	order := uuid.NewString()
	var id string
	err := pgx.BeginFunc(t.Context(), d.Pool, func(tx pgx.Tx) (err error) {
		id, err = incident.Open(t.Context(), tx, events.Order, order, "overdue", "it waits")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	d.Routes(router)
	for path, test := range map[string]struct {
		status int
		part   string
	}{
		"/incidents?open=true":              {http.StatusOK, id},
		"/incidents?open=false":             {http.StatusOK, id},
		"/incidents?order=" + order:         {http.StatusOK, `"reason":"it waits"`},
		"/incidents?order=" + id:            {http.StatusOK, `{"incidents":[],"next":null}`},
		"/incidents/" + id:                  {http.StatusOK, `"state":null,"possible":[],"actions":[]`},
		"/incidents/" + order:               {http.StatusNotFound, "no such incident"},
		"/incidents/none":                   {http.StatusNotFound, "no such incident"},
		"/incidents?open=perhaps":           {http.StatusBadRequest, "true or false"},
		"/incidents?open=true&order=widget": {http.StatusBadRequest, "a UUID"},
		"/incidents?limit=0":                {http.StatusBadRequest, "1 to 500"},
		"/incidents?after=" + id:            {http.StatusBadRequest, "next of the page before"},
	} {
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.part) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

// A list that stops says where it goes on, also between incidents that were opened in one moment.
func TestIncidents_TheOldestIsReachedPageByPage(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Order)
	order := uuid.NewString()
	_, err := d.Pool.Exec(t.Context(), `
		INSERT INTO incident (id, order_id, kind, reason, opened_at)
		SELECT gen_random_uuid(), CASE WHEN n > 101 THEN gen_random_uuid() ELSE $1 END, 'kind ' || n, 'it waits', now() - n / 7 * interval '1 microsecond'
		FROM generate_series(1, 503) AS n`, order)
	if err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	d.Routes(router)
	get := func(path string, into any) {
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil || answer.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
	for query, want := range map[string]struct{ all, pages int }{
		"": {503, 2}, "limit=10": {503, 51}, "limit=500": {503, 2}, "limit=101&order=" + order: {101, 1}, "limit=100&order=" + order: {101, 2}, "open=true&limit=200": {503, 3},
	} {
		seen, last, pages := map[string]bool{}, time.Now().Add(time.Minute), 0
		for next := new(""); next != nil; pages++ {
			var page struct {
				Incidents []adminapi.Incident
				Next      *string
			}
			get("/incidents?"+query+"&after="+url.QueryEscape(*next), &page)
			for _, i := range page.Incidents {
				if seen[i.ID] = true; i.OpenedAt.After(last) {
					t.Errorf("%q: an incident of %s comes after one of %s", query, i.OpenedAt, last)
				}
				last = i.OpenedAt
			}
			next = page.Next
		}
		if len(seen) != want.all || pages != want.pages {
			t.Errorf("%q: %d incidents on %d pages, want %+v", query, len(seen), pages, want)
		}
	}
	var rows adminapi.OrderRows
	get("/rows?order="+order, &rows)
	for _, table := range rows.Tables {
		if table.More != (table.Table == "incident") || len(table.Rows) > 100 {
			t.Errorf("%s shows %d rows, more: %v", table.Table, len(table.Rows), table.More)
		}
	}
}
