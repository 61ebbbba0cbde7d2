package conformance

import (
	"context"
	"fmt"
	"strings"

	"example.com/ordersaga/apps/internal/mailsink"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
)

// effects are what each service does beside its events, for all orders that were played.
var effects = map[events.Service]struct {
	sentence string
	check    func(context.Context, *suite) error
}{
	events.Inventory:    {"what is reserved and sold at /v1/stock are the orders' goods", stock},
	events.Payment:      {"the card gateway's ledger has one charge, and one refund, of those that have any", ledger},
	events.Shipping:     {"no two orders have the same shipment", shipments},
	events.Notification: {"the mail server has each mail, to the order's address", mails},
}

func stock(ctx context.Context, s *suite) error {
	type pieces struct {
		SKU      string `json:"sku"`
		Reserved int    `json:"reserved"`
		Sold     int    `json:"sold"`
	}
	want := map[string]pieces{}
	for _, o := range s.orders {
		for _, line := range o.Lines {
			p := want[line.SKU]
			if o.state == "RESERVED" {
				p.Reserved += line.Quantity
			}
			if o.state == "SOLD" {
				p.Sold += line.Quantity
			}
			want[line.SKU] = p
		}
	}
	var found struct {
		Stock []pieces `json:"stock"`
	}
	err := read(ctx, s.candidate.url+"/v1/stock", &found)
	for _, p := range found.Stock {
		if w := want[p.SKU]; err == nil && (w.Reserved != p.Reserved || w.Sold != p.Sold) {
			err = fmt.Errorf("of %s are %d reserved and %d sold, not %d and %d", p.SKU, p.Reserved, p.Sold, w.Reserved, w.Sold)
		}
	}
	return err
}

func ledger(ctx context.Context, s *suite) error {
	var found struct {
		Entries []struct {
			Kind      string `json:"kind"`
			Reference string `json:"merchant_reference"`
			Amount    int64  `json:"amount"`
			Status    string `json:"status"`
		} `json:"entries"`
	}
	if err := read(ctx, s.system.Describe().URLs[endpoints.Gateway]+"/ledger", &found); err != nil {
		return err
	}
	moved := map[string]string{}
	for _, e := range found.Entries {
		if e.Status == "succeeded" {
			moved[e.Reference] += fmt.Sprintf("%s of %d ", e.Kind, e.Amount)
		}
	}
	for _, o := range s.orders {
		want := map[string]string{
			"CAPTURED": fmt.Sprintf("charge of %d ", o.Total.Amount),
			"REFUNDED": fmt.Sprintf("charge of %[1]d refund of %[1]d ", o.Total.Amount),
		}[o.state]
		if got := moved[o.OrderID]; got != want {
			return fmt.Errorf("order %s, which is %s: the ledger has %q, not %q", o.OrderID, o.state, got, want)
		}
	}
	return nil
}

func shipments(_ context.Context, s *suite) error {
	orders := map[string]string{}
	for orderID, answers := range s.broker.answers {
		for _, seen := range answers {
			created, is := seen.Event.(events.ShipmentCreated)
			if other, has := orders[created.ShipmentID]; is && has && other != orderID {
				return fmt.Errorf("the orders %s and %s have the shipment %s", orderID, other, created.ShipmentID)
			}
			orders[created.ShipmentID] = orderID
		}
	}
	return nil
}

func mails(ctx context.Context, s *suite) error {
	var all struct {
		Messages []mailsink.Message `json:"messages"`
	}
	if err := read(ctx, s.system.Describe().URLs[endpoints.Mail]+"/messages", &all); err != nil {
		return err
	}
	found := map[string]string{}
	for _, m := range all.Messages {
		id, _, _ := strings.Cut(m.ID, "@")
		found[id] = m.To
	}
	for _, o := range s.orders {
		for name, kind := range map[string]string{"OrderCreated": "received", "OrderCancelled": "cancelled"} {
			want := ""
			if strings.Contains(strings.Join(o.played, " "), name) {
				want = o.email
			}
			if got := found[o.OrderID+"."+kind]; got != want {
				return fmt.Errorf("order %s: the mail that it is %s went to %q, not to %q", o.OrderID, kind, got, want)
			}
		}
	}
	return nil
}
