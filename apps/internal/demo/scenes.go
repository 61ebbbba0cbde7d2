package demo

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// scene is one order and what happens to it.
type scene struct {
	name     string
	sentence string
	order    client.NewOrder
	before   func(context.Context, *Stage) error               // the order is placed
	after    func(context.Context, *Stage, events.Event) error // one of its events was seen
	judge    func(api.Order) error
}

// scenes are played in this order.
func scenes() []scene { return append(businessScenes(), technicalScenes()...) }

// businessScenes are about what a shop calls a failure.
func businessScenes() []scene {
	return []scene{
		{
			name:     "A success",
			sentence: "Stock is held, the card charged, the parcel sent.",
			order: with(client.One("widget", 2), func(w *client.NewOrder) {
				w.Items = append(w.Items,
					api.NewItem{Sku: "gizmo", Quantity: 1})
			}),
			judge: ended(api.CONFIRMED, ""),
		},
		{
			name:     "Out of stock",
			sentence: "Nothing was done, so nothing has to be undone.",
			order:    client.One("unobtainium", 1),
			judge:    ended(api.CANCELLED, "out_of_stock"),
		},
		{
			name:     "A declined card",
			sentence: "The gateway declines; the stock is let go.",
			order:    with(client.One("gadget", 1), func(w *client.NewOrder) { w.Token = "tok_declined" }),
			judge:    ended(api.CANCELLED, "card_declined"),
		},
		{
			name:     "A place that is not served",
			sentence: "Shipping fails when the money is already captured: refund, release, cancel.",
			order:    with(client.One("gadget", 2), func(w *client.NewOrder) { w.Country = "AQ" }),
			judge:    ended(api.CANCELLED, "destination_not_served"),
		},
	}
}

// technicalScenes are about what comes in between.
func technicalScenes() []scene {
	return []scene{
		{
			name:     "An answer that got lost",
			sentence: "The card was charged, the answer never came. Asked again with the same key: charged once.",
			order:    with(client.One("widget", 1), func(w *client.NewOrder) { w.Token = "tok_lost_response" }),
			judge:    ended(api.CONFIRMED, ""),
		},
		{
			name: "A customer's cancel",
			sentence: "It comes while the charge is under way. Shipping fences the order; " +
				"what turns out to be captured is returned.",
			// the charge takes a second
			order: with(client.One("gizmo", 3), func(w *client.NewOrder) { w.Token = "tok_slow" }),
			after: cancelOnceReserved,
			judge: ended(api.CANCELLED, "customer"),
		},
		{
			name:     "A service killed in the middle",
			sentence: "Shipping dies with the order in its hands. It is started again, the message comes again, the saga ends.",
			order:    client.One("gadget", 1),
			before:   holdShipping,
			after:    killShippingOncePaid,
			judge:    ended(api.CONFIRMED, ""),
		},
		{
			name: "A refund that is refused",
			sentence: "The compensation itself fails, and a person is needed. " +
				"Once the gateway has recovered, an operator tries again.",
			order: with(client.One("gadget", 1), func(w *client.NewOrder) {
				w.Country, w.Token = "AQ",
					"tok_refund_refused"
			}),
			after: repairRefund,
			judge: ended(api.CANCELLED, "destination_not_served"),
		},
	}
}

func with(w client.NewOrder, change func(*client.NewOrder)) client.NewOrder {
	change(&w)
	return w
}

func cancelOnceReserved(ctx context.Context, s *Stage, event events.Event) error {
	if _, reserved := event.(events.InventoryReserved); !reserved {
		return nil
	}
	_, err := s.shop.Cancel(ctx, event.Order())
	return err
}

// holdShipping lets shipping stop where it has decided and not committed.
func holdShipping(ctx context.Context, s *Stage) error {
	return s.arm(ctx, events.Shipping, failpoint.Fault{Point: failpoint.InboxBeforeCommit, Kind: failpoint.Hold})
}

// killShippingOncePaid waits until shipping has the order in its hands, and kills it.
func killShippingOncePaid(ctx context.Context, s *Stage, event events.Event) error {
	if _, paid := event.(events.PaymentProcessed); !paid {
		return nil
	}
	for {
		holding, err := s.holding(ctx, events.Shipping)
		if err != nil {
			return err
		}
		if holding {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until shipping has the order: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return s.system.Kill(string(events.Shipping), syscall.SIGKILL)
}
