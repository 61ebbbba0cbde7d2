package outbox_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// A step is an ordinary function: an event comes in, its effect goes into the transaction, the event that follows goes
// out. Here an event is delivered twice, as brokers do, and takes effect once.
func Example() {
	t := newExample() // what a test has, for testkit
	defer t.end()
	w := newWorld(t) // a database and a broker; codec makes JSON of events

	fulfil := func(ctx context.Context, tx pgx.Tx, order asked) (event, error) {
		_, err := tx.Exec(ctx, `INSERT INTO effect (event_id, key) VALUES ($1, $2)`, outbox.CauseOf(ctx).EventID, order.Key)
		return failed{Key: order.Key, Reason: "out of stock"}, err
	}
	app, err := outbox.New(outbox.Config{
		Name: "toy", Stream: "TOYS", Pool: w.pool, NATS: w.connect("app"), Codec: codec{},
		Handlers: []outbox.Handler{outbox.Handle(fulfil)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.run(app)
	_, key, message := request(t)
	w.deliver(key, message)
	w.deliver(key, message)

	w.settled() // both are acknowledged
	testkit.Eventually(t, within, "the answer to be published", func() bool { return len(w.published()) > 0 })
	fmt.Println("effects:", w.count(`SELECT count(*) FROM effect`))
	fmt.Println("answers:", w.count(`SELECT count(*) FROM outbox`))
	// Output:
	// effects: 1
	// answers: 1
}
