package order

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
)

// oldMails gives notification the mails that the release before this one had not sent: the events that they follow from
// are published once more, with the address. Nobody else does anything on an event that comes again. To be deleted with
// the table in the next release.
type oldMails struct {
	tx      transaction
	version eventVersion
}

// oldMailsAtOnce is how many mails share a transaction.
const oldMailsAtOnce = 50

func (h oldMails) runOnce(ctx context.Context) error {
	for more := true; more; {
		err := h.tx(ctx, func(tx pgx.Tx) error {
			waiting, err := takeMails(ctx, tx, oldMailsAtOnce)
			more = len(waiting) > 0
			if err != nil || len(waiting) == 0 {
				return err
			}
			list := make([]events.Event, len(waiting))
			for i, m := range waiting {
				o, err := readOrder(ctx, tx, m.OrderID)
				if err != nil {
					return err
				}
				list[i] = messaging.Again(h.event(m.Kind, o), "a mail of the release before")
			}
			return messaging.Publish(ctx, tx, list...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// event is what a mail about an order follows from.
func (h oldMails) event(kind string, o Order) events.Event {
	if kind == "cancelled" {
		return events.OrderCancelled{
			Subject: events.Subject{OrderID: o.OrderID}, Reason: o.Reason, ContactEmail: o.Contact,
		}
	}
	return h.version.created(o.Snapshot, o.Contact)
}
