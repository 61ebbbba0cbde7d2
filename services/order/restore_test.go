package order

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
)

// What the order service has published is enough to have the order again: its times, its contact, the answer to the same
// request, and how often a cancel was asked for.
func TestRestore_TheOrderIsTheOneThatWasAccepted(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]eventVersion{"OrderCreated v1": 1, "OrderCreated v2": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := database(t).Pool, database(t).Pool
			asked := request(t, newID(t), twoWidgets)
			results, err := intake{tx: in(before), deadline: time.Hour, version: version}.commit(t.Context(), []placement{asked})
			if err != nil || results[0].err != nil {
				t.Fatal(err, results)
			}
			var published []byte
			if err := before.QueryRow(t.Context(), `SELECT payload FROM outbox`).Scan(&published); err != nil {
				t.Fatal(err)
			}
			envelope, event, err := events.Decode(published)
			if err != nil {
				t.Fatal(err)
			}
			again := events.OrderCancelRequested{Subject: events.Subject{OrderID: asked.id}, Reason: byCustomer, Repeat: events.Repeat{Attempt: 3}}
			err = pgx.BeginFunc(t.Context(), after, func(tx pgx.Tx) error {
				if err := restore(time.Hour)(t.Context(), tx, envelope, event); err != nil {
					return err
				}
				return restore(time.Hour)(t.Context(), tx, events.Envelope{}, again)
			})
			if err != nil {
				t.Fatal(err)
			}
			want, _ := readOrder(t.Context(), before, asked.id)
			got, err := readOrder(t.Context(), after, asked.id)
			same(t, "the error", err, nil)
			same(t, "the status", got.Status, Cancelling)
			same(t, "when it was created", got.CreatedAt, want.CreatedAt)
			same(t, "its deadline", got.Deadline, want.Deadline)
			same(t, "its total", got.Total, want.Total)
			same(t, "the cancels that were asked for", count(t, after, `SELECT attempt FROM orders`), 3)

			repeated, err := intake{tx: in(after), deadline: time.Hour, version: version}.commit(t.Context(), []placement{asked})
			if err != nil || repeated[0].err != nil {
				t.Fatal(err, repeated)
			}
			same(t, "it is replayed", repeated[0].replayed, true)
			same(t, "the answer", string(repeated[0].answer.Body), string(results[0].answer.Body))
			same(t, "the orders", count(t, after, `SELECT count(*) FROM orders`), 1)
		})
	}
}
