package adminapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// closed is a history of incidents, dead letters and actions that need nobody any more. The oldest of each is open.
func closed(ctx context.Context, owner *pgx.Conn, from, to int) error {
	const row = ` FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS id,
		now() + n * interval '1 second' AS at, CASE WHEN n > 1 THEN now() END AS ended) AS named`
	for _, statement := range []string{`
		INSERT INTO incident (id, order_id, kind, reason, opened_at, resolved_at, resolution)
		SELECT id, id, 'poison', 'x', at, ended, CASE WHEN n > 1 THEN 'y' END` + row, `
		INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason, first_at, closed_at, closed_as)
		SELECT id, id, id, 't', 's', '', 'x', at, ended, CASE WHEN n > 1 THEN 'discarded' END` + row, `
		INSERT INTO operator_action (id, request_key, fingerprint, by, why, action, target_kind, target_id, before, after,
			answer)
		SELECT id, id, '', 'ada', 'y', 'retry', 'incident', id, '{}', '{}', ''` + row, `
		INSERT INTO inbox (event_id, type, key) SELECT id, 't', id` + row, `
		INSERT INTO outbox_message (id, key, type, subject, payload) SELECT id, id, 't', 's', ''` + row, `
		INSERT INTO outbox_mark (id, stream_created, stream_seq) SELECT id, now(), n` + row,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

func TestLists_NothingGrowsWithWhatIsClosed(t *testing.T) {
	t.Parallel()
	const id = "00000000-0000-0000-0000-000000000200"
	done := map[string]func(context.Context, *pgxpool.Pool) error{}
	for _, path := range []string{
		"/incidents?limit=20", "/incidents?limit=20&open=true", "/incidents?order=" + id, "/incidents/" + id,
		"/incidents?limit=20&after=2020-01-01T00:00:00Z_" + id,
		"/dead-letters?limit=20", "/dead-letters?limit=20&open=true", "/dead-letters?limit=20&open=false",
		"/dead-letters?order=" + id, "/dead-letters/" + id, "/dead-letters?limit=20&after=2020-01-01T00:00:00Z_" + id,
		"/rows?order=" + id + "&event=" + id,
	} {
		done[path] = func(ctx context.Context, pool *pgxpool.Pool) error {
			router := chi.NewRouter()
			adminapi.API{Pool: pool}.Routes(router)
			answer := httptest.NewRecorder()
			router.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
			if answer.Code != http.StatusOK {
				return fmt.Errorf("%s: %d %s", path, answer.Code, answer.Body)
			}
			return nil
		}
	}
	testkit.NothingGrows(t, testkit.Database(t, events.Shipping), closed, done)
}
