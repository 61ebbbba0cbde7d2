package notification

import (
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// TestSaga_EveryOrderOfEvents plays events in every order and twice: each mail that the customer is to get is left once.
func TestSaga_EveryOrderOfEvents(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	const kinds = `SELECT kind FROM mail WHERE order_id = $1 ORDER BY kind DESC`
	for what, c := range map[string]struct {
		created, cancelled string // the addresses in the two events
		want               []string
	}{
		"both have the address":       {ada, ada, []string{"received", "cancelled"}},
		"the order is older":          {"", ada, []string{"cancelled"}},
		"nobody wants mails":          {"", "", []string{}},
		"the address is three blanks": {"   ", "   ", []string{"received", "cancelled"}},
	} {
		for _, order := range [][]int{{0}, {0, 0}, {0, 1}, {0, 1, 0, 1}, {1, 0}, {1, 1, 0, 0}, {0, 0, 1, 1}} {
			id := newOrderID(t)
			list := []events.Event{createdFor(id, c.created), cancelledFor(id, c.cancelled, "customer")}
			want := c.want
			if len(order) < 3 && order[len(order)-1] == 0 && order[0] == 0 { // it is never cancelled
				want = []string{}
				if c.created != "" {
					want = []string{"received"}
				}
			}
			for _, n := range order {
				handle(t, pool, list[n])
			}
			got := append([]string{}, texts(t, pool, kinds, id)...)
			same(t, what, got, want)
		}
	}
}

func TestSaga_ACancelWithoutAnAddressGoesWhereTheReceiptWent(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := ordered(t, pool, ada)[0]
	handle(t, pool, cancelledFor(id, "", "customer"))
	same(t, "recipients", texts(t, pool, `SELECT recipient || ' ' || name FROM mail WHERE order_id = $1`, id),
		[]string{ada + " Ada Lövelace", ada + " Ada Lövelace"})
}

func TestSaga_AMailToNobodyEndsVisibly(t *testing.T) {
	t.Parallel()
	pool, box := database(t).Pool, openPostbox(t, nil)
	id := ordered(t, pool, "   ")[0]
	handle(t, pool, cancelledFor(id, "   ", "customer"))
	runOnce(t, process(pool, box.addr))
	same(t, "mails", len(box.messages()), 0)
	same(t, "states", texts(t, pool, `SELECT DISTINCT state || ': ' || problem || ', ' || attempts FROM mail WHERE ended_at IS NOT NULL`),
		[]string{"REFUSED: the recipient is not a mail address, 0"})
}

// An order and a kind are no mail: they stand for one recipient. Nobody gets a second one of the kind.
func TestSaga_AMailToSomebodyElseIsADeadLetter(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := ordered(t, pool, ada)[0]
	handle(t, pool, cancelledFor(id, ada, "customer"))
	for what, other := range map[string]events.Event{
		"recipient": createdFor(id, "eve@customers.example"), "recipient of a cancel": cancelledFor(id, "eve@customers.example", "customer"),
	} {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := react(t.Context(), tx, other)
			return err
		})
		deadLetter := outbox.DeadLetter(err)
		if err == nil || reflect.TypeOf(err) != reflect.TypeOf(deadLetter) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	anonymous := createdFor(id, ada)
	anonymous.ShipTo.Recipient = "A. Lövelace" // the first name stays
	exec(t, pool, `UPDATE mail SET body = 'as an earlier version wrote it'`)
	handle(t, pool, createdFor(id, ada), createdFor(id, ""), anonymous, cancelledFor(id, ada, "customer"), cancelledFor(id, "", "customer"))
	same(t, "mails", texts(t, pool, `SELECT kind || ' ' || name FROM mail WHERE order_id = $1 ORDER BY kind`, id),
		[]string{"cancelled Ada Lövelace", "received Ada Lövelace"})
}
