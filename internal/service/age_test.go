package service_test

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// ageOf is the value of the one gauge.
func ageOf(t *testing.T, app *service.App) float64 {
	t.Helper()
	families, err := app.Metrics.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

func TestAge_OfTheOldestEventThatIsNotPublished(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Shipping)
	app := &service.App{Pool: db.Pool, Metrics: prometheus.NewRegistry()}
	app.Age("outbox_unpublished_seconds", "x", service.OldestUnpublished)
	if age := ageOf(t, app); age != 0 {
		t.Errorf("of nothing it is %v", age)
	}
	var ids []uuid.UUID
	for range 3 {
		ids = append(ids, uuid.New())
		err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			return outbox.Publish(t.Context(), tx, outbox.Message{ID: ids[len(ids)-1], Key: uuid.New(), Type: "t", Subject: "s", Payload: []byte("{}")})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := db.Pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	for n, minutes := range []int{300, 200, 100} { // the first is published, the second is to be republished
		exec(`UPDATE outbox_message SET created_at = now() - $2 * interval '1 minute' WHERE id = $1`, ids[n], minutes)
	}
	exec(`DELETE FROM outbox_due WHERE id = $1`, ids[0])
	exec(`UPDATE outbox_due SET republish = true WHERE id = $1`, ids[1])
	if age := ageOf(t, app); math.Round(age/60) != 200 {
		t.Errorf("it is %v s", age)
	}
	exec(`INSERT INTO broker (server_id, stream_created, met_at) VALUES ('x', now(), now() - interval '150 minutes')`)
	if age := ageOf(t, app); math.Round(age/60) != 150 {
		t.Errorf("of an event that was lost meanwhile it is %v s", age)
	}
	exec(`DELETE FROM outbox_due WHERE republish`)
	if age := ageOf(t, app); math.Round(age/60) != 100 {
		t.Errorf("without the one to be republished it is %v s", age)
	}
	db.Pool.Close()
	if age := ageOf(t, app); !math.IsNaN(age) {
		t.Errorf("without a database it is %v", age)
	}
}
