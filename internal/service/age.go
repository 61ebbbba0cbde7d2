package service

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Age registers a gauge in seconds: how long ago a query's one time was, which is 0 when there is none. The database is
// asked with the metrics; while it does not answer the gauge is NaN.
func (a *App) Age(name, help, query string) {
	a.gauge(name, help, `SELECT coalesce(extract(epoch FROM now() - (`+query+`)), 0)::float8`)
}

// gauge registers a gauge with the one number that a query returns.
func (a *App) gauge(name, help, query string) {
	promauto.With(a.Metrics).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() (value float64) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if a.Pool.QueryRow(ctx, query).Scan(&value) != nil {
			return math.NaN()
		}
		return value
	})
}

// oldestUnpublished looks at the heads of both queues of each owner in the outbox. What is to be republished waits
// since the broker was met that may have lost it.
const oldestUnpublished = `
	SELECT min(CASE WHEN republish THEN greatest(created_at, (SELECT met_at FROM broker)) ELSE created_at END)
	FROM outbox_owner CROSS JOIN LATERAL (
		(SELECT * FROM outbox_due AS due WHERE due.owner = outbox_owner.owner AND NOT republish ORDER BY position LIMIT 1)
		UNION ALL (SELECT * FROM outbox_due AS due WHERE due.owner = outbox_owner.owner AND republish
			ORDER BY position LIMIT 1)) AS head JOIN outbox_message USING (id)`
