package adminapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
)

// asked is what the admin API answers.
func asked(ctx context.Context, d adminapi.API, path string) *httptest.ResponseRecorder {
	router := chi.NewRouter()
	d.Routes(router)
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
	return answer
}

func TestRows_AreThoseOfTheOrderAlone(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Shipping)
	d.Tables = []adminapi.Table{{Name: "letters", SQL: `SELECT key AS order_id, reason FROM dead_letter WHERE key = $1::text`}}
	order, handled := uuid.NewString(), uuid.NewString()
	for _, id := range []string{order, uuid.NewString()} {
		err := pgx.BeginFunc(t.Context(), d.Pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `
				INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason)
				VALUES (gen_random_uuid(), '', $1::text, '', '', '', 'unreadable')`, id); err != nil {
				return err
			}
			if _, err := incident.Open(t.Context(), tx, events.Shipping, id, "overdue", "it waits"); err != nil { // and part so
				return err
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO inbox (event_id, type, key) VALUES ($1, 'handled', $2)`, handled, id)
			handled = uuid.NewString()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var inbox string
	if err := d.Pool.QueryRow(t.Context(), `SELECT event_id::text FROM inbox WHERE key = $1`, order).Scan(&inbox); err != nil {
		t.Fatal(err)
	}
	answer := asked(t.Context(), d, "/rows?order="+order+"&event="+inbox)
	var kept adminapi.OrderRows
	if err := json.Unmarshal(answer.Body.Bytes(), &kept); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if age := time.Since(kept.Since); age < 0 || age > time.Minute {
		t.Errorf("the process is at work for %v", age)
	}
	want := map[string]string{"letters": `"reason":"unreadable"`, "incident": `"kind":"overdue"`, "inbox": `"type":"handled"`, "outbox": `"published_at":null`}
	for _, table := range kept.Tables {
		if len(table.Rows) != 1 || !strings.Contains(string(table.Rows[0]), want[table.Table]) {
			t.Errorf("in %s there are %s", table.Table, table.Rows)
		}
		delete(want, table.Table)
	}
	if len(want) > 0 {
		t.Errorf("nothing is shown of %v", want)
	}
}

func TestRows_AreSelectedByIDs(t *testing.T) {
	t.Parallel()
	d := newAPI(t, events.Shipping)
	order := uuid.NewString()
	for path, want := range map[string]int{
		"/rows":                               http.StatusBadRequest,
		"/rows?order=widget":                  http.StatusBadRequest,
		"/rows?order=" + order:                http.StatusOK,
		"/rows?order=" + order + "&event=one": http.StatusBadRequest,
		"/rows?order=" + order + strings.Repeat("&event="+order, 201): http.StatusBadRequest,
	} {
		if answer := asked(t.Context(), d, path); answer.Code != want {
			t.Errorf("%.80s: %d %s", path, answer.Code, answer.Body)
		}
	}
}
