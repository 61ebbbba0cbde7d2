package mailbox_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit"
)

// A step is an ordinary function: what has happened comes in, its effect goes into the transaction, what
// follows goes out. Here an event is delivered twice, as brokers do, and takes effect once.
func Example() {
	t := newExample() // what a test has, for testkit
	defer t.end()
	db := testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_db_version", FS: table()})
	broker := testkit.Broker(t)

	ship := func(ctx context.Context, tx pgx.Tx, paid events.PaymentProcessed) (events.Event, error) {
		_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, order_id) VALUES ($1, $2)`, mailbox.CauseOf(ctx).EventID, paid.OrderID)
		return events.ShipmentCreated{Snapshot: paid.Snapshot, ShipmentID: "S-1"}, err
	}
	shipping, err := mailbox.New(mailbox.Config{
		Service:  events.Shipping,
		Pool:     db.Pool,
		NATS:     broker.Connect(t, events.Shipping),
		Handlers: []mailbox.Handler{mailbox.Hear(ship), mailbox.Hear(ignore[events.OrderCancelRequested])},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.run(shipping)

	// The payment service's own mailbox would put this into its outbox.
	paid := events.PaymentProcessed{Snapshot: anOrder(), ChargeID: "ch_1"}
	message, err := events.Encode(uuid.NewString(), time.Now(), events.Cause{}, paid)
	if err != nil {
		fmt.Println(err)
		return
	}
	payment := jetStream(t, broker.Connect(t, events.Payment))
	for range 2 {
		if _, err := payment.Publish(t.Context(), paid.Type().SubjectOf(paid.OrderID), message); err != nil {
			fmt.Println(err)
		}
	}

	observer := jetStream(t, broker.ConnectAs(t, mailbox.Observer))
	var effects int
	var answer string
	testkit.Eventually(t, within, "both deliveries to be handled and the answer to be published", func() bool {
		consumer, err := observer.Consumer(t.Context(), events.Stream, "shipping")
		return err == nil && consumer.CachedInfo().AckFloor.Stream >= 2 && db.Pool.QueryRow(t.Context(),
			`SELECT (SELECT count(*) FROM effect), type FROM outbox WHERE published_at IS NOT NULL`).Scan(&effects, &answer) == nil
	})
	fmt.Println("effects:", effects)
	fmt.Println("answer:", answer)
	// Output:
	// effects: 1
	// answer: saga.shipping.ShipmentCreated.v1
}
