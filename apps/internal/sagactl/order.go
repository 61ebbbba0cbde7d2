package sagactl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	notification "example.com/ordersaga/services/notification/api"
	"example.com/ordersaga/services/order/api"
)

func (p *program) order() *cobra.Command {
	return group("order", "Places, shows and cancels orders.", p.orderPlace(),
		request(p, "get ORDER", "Shows an order.", cobra.ExactArgs(1), "sagactl order list",
			func(ctx context.Context, s *client.Client, args []string) (api.Order, error) {
				return s.Get(ctx, args[0])
			},
			p.showOrder),
		p.orderList(), p.orderCancel(),
		request(p, "saga ORDER", "Shows how far an order is in every service, and what it waits for.", cobra.ExactArgs(1),
			"sagactl order list",
			func(ctx context.Context, s *client.Client, args []string) (api.Saga, error) {
				return s.Saga(ctx, args[0])
			},
			p.showSaga),
		request(p, "mails ORDER", "Shows what became of the mails about an order.", cobra.ExactArgs(1), "sagactl order list",
			func(ctx context.Context, s *client.Client, args []string) ([]notification.Mail, error) {
				return s.Mails(ctx, args[0])
			},
			p.showMails))
}

func (p *program) orderPlace() *cobra.Command {
	var skus []string
	var quantity int
	var order client.NewOrder
	var wait time.Duration
	c := request(p, "place", "Places an order.", cobra.NoArgs, "sagactl order place --help",
		func(ctx context.Context, s *client.Client, _ []string) (api.Order, error) {
			for _, sku := range skus {
				order.Items = append(order.Items, api.NewItem{Sku: sku, Quantity: quantity})
			}
			placed, _, err := s.Place(ctx, order)
			if err != nil {
				return placed, err
			}
			return await(ctx, s, placed, wait)
		}, p.showOrder)
	c.Example = `  sagactl order place --sku widget --quantity 2 --wait
  sagactl order place --sku widget --token tok_declined --wait
  sagactl order place --sku gizmo,gadget --country AQ --key my-first-order`
	f := c.Flags()
	f.StringSliceVar(&skus, "sku", []string{"widget"}, "what to order; several with commas")
	f.IntVar(&quantity, "quantity", 1, "how many of each")
	f.StringVar(&order.Token, "token", "tok_visa", "how to pay: a token of the card gateway")
	f.StringVar(&order.Country, "country", "DE", "where to ship, ISO 3166-1 alpha-2")
	f.StringVar(&order.Email, "email", "", "where mails about the order go; without it none are sent")
	f.StringVar(&order.Key, "key", "", "the Idempotency-Key; a new one without")
	waitFlag(c, &wait)
	return c
}

func waitFlag(c *cobra.Command, wait *time.Duration) {
	c.Flags().DurationVar(wait, "wait", 0, "wait until the saga has ended, at most this long (plain --wait: 60s)")
	c.Flags().Lookup("wait").NoOptDefVal = "60s"
}

// await waits until the order's saga has ended, at most so long; zero: not at all.
func await(ctx context.Context, s *client.Client, order api.Order, wait time.Duration) (api.Order, error) {
	if wait == 0 {
		return order, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ended, err := s.Await(ctx, order.Id)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("order %s has not ended within %s; it goes on", order.Id, wait)
		return ended, &Failure{failed, err, "sagactl order saga " + order.Id}
	}
	return ended, asked(err, "sagactl watch "+order.Id)
}

func (p *program) orderList() *cobra.Command {
	var status, cursor string
	var limit int
	c := request(p, "list", "Lists orders, the newest first.", cobra.NoArgs, "sagactl order list --help",
		func(ctx context.Context, s *client.Client, _ []string) (api.OrderList, error) {
			return listOrders(ctx, s, status, limit, cursor)
		},
		func(page api.OrderList) error {
			if p.output == "json" {
				return p.json(orderPage{page, page.NextCursor})
			}
			err := p.showOrders(nil, page.Orders...)
			p.showMore("--cursor", page.NextCursor)
			return err
		})
	c.Flags().StringVar(&status, "status", "",
		"only orders that are PENDING, CANCELLING, CONFIRMED, CANCELLED or NEEDS_ATTENTION")
	c.Flags().IntVar(&limit, "limit", 20, "at most so many; 0: all")
	c.Flags().StringVar(&cursor, "cursor", "", "where the page before ended")
	return c
}

// mostOrders is how many the service lists at once.
const mostOrders = 200

// listOrders asks for as many pages as the limit needs; 0: all.
func listOrders(ctx context.Context, s *client.Client, status string, limit int, cursor string) (all api.OrderList,
	err error) {
	if limit < 0 {
		return all, &Failure{usage, fmt.Errorf("--limit is 0 or more, not %d", limit), "sagactl order list --help"}
	}
	for all.NextCursor = &cursor; all.NextCursor != nil && (limit == 0 || len(all.Orders) < limit); {
		part := mostOrders
		if limit > 0 {
			part = min(limit-len(all.Orders), mostOrders)
		}
		page, err := s.List(ctx, status, part, *all.NextCursor)
		if err != nil {
			return all, err
		}
		all.Orders, all.NextCursor = append(all.Orders, page.Orders...), page.NextCursor
	}
	return all, nil
}

// orderPage is the API's answer in the shape that all lists have.
type orderPage struct {
	api.OrderList
	Next *string `json:"next"`
}

func (p *program) orderCancel() *cobra.Command {
	var wait time.Duration
	const short = "Asks for an order to be undone. It may come too late: then the order is confirmed."
	c := request(p, "cancel ORDER", short, cobra.ExactArgs(1), "sagactl order get ORDER",
		func(ctx context.Context, s *client.Client, args []string) (api.Order, error) {
			o, err := s.Cancel(ctx, args[0])
			if err != nil {
				return o, err
			}
			return await(ctx, s, o, wait)
		}, p.showOrder)
	waitFlag(c, &wait)
	return c
}

func (p *program) showOrder(o api.Order) error { return p.showOrders(o, o) }

// showOrders prints orders as a table, or the answer as it came.
func (p *program) showOrders(answer any, orders ...api.Order) error {
	return showTable(p, answer, "ORDER,STATUS,TOTAL#,ITEMS,WHY", orders, func(o api.Order) []string {
		items := make([]string, len(o.Items))
		for i, item := range o.Items {
			items[i] = fmt.Sprintf("%d × %s", item.Quantity, item.Sku)
		}
		total := events.Money(o.Total).String()
		return []string{o.Id, colourOf(o.Status).Render(string(o.Status)), total, strings.Join(items, ", "), why(o)}
	})
}

// why is the reason for which the order is not confirmed, or not yet.
func why(o api.Order) string {
	for _, incident := range o.Incidents {
		if incident.ResolvedAt == nil {
			return incident.Service + ": " + incident.Reason
		}
	}
	if w := o.WaitingFor; w != nil {
		return waits(w, time.Now())
	}
	return deref(o.Reason)
}

func colourOf(status api.Status) lipgloss.Style {
	switch status {
	case api.CONFIRMED:
		return good
	case api.NEEDSATTENTION:
		return bad
	case api.CANCELLED, api.CANCELLING, api.PENDING:
	}
	return lipgloss.NewStyle()
}

func (p *program) stock() *cobra.Command {
	show := func(s inventory.Stock) error {
		return showTable(p, s, stockHeadings, []inventory.Stock{s}, stockRow)
	}
	reason, available := "", int64(0)
	pieces := func(c *cobra.Command, args []string) (err error) {
		if err := cobra.ExactArgs(2)(c, args); err != nil {
			return err
		}
		if available, err = strconv.ParseInt(args[1], 10, 64); err != nil || available < 0 {
			return &Failure{usage, fmt.Errorf("%q is not a number of pieces", args[1]), "sagactl stock set widget 100"}
		}
		return nil
	}
	set := request(p, "set SKU AVAILABLE", "Makes an adjustment after which so many are available.", pieces,
		"sagactl stock list",
		func(ctx context.Context, s *client.Client, args []string) (inventory.Stock, error) {
			return s.SetStock(ctx, args[0], available, reason)
		}, show)
	set.Example = "  sagactl stock set last-one 10 --reason 'found in the cellar'"
	set.Flags().StringVar(&reason, "reason", "counted again", "why; it is kept in the ledger")
	return group("stock", "Shows and sets the stock.",
		request(p, "list", "Shows how much there is of every SKU.", cobra.NoArgs, "sagactl stock list",
			func(ctx context.Context, s *client.Client, _ []string) ([]inventory.Stock, error) {
				return s.Stock(ctx)
			},
			func(all []inventory.Stock) error { return showList(p, "stock", stockHeadings, all, nil, stockRow) }),
		set)
}

const stockHeadings = "SKU,AVAILABLE#,RESERVED#,SOLD#"

func stockRow(s inventory.Stock) []string {
	return []string{s.Sku, fmt.Sprint(s.Available), fmt.Sprint(s.Reserved), fmt.Sprint(s.Sold)}
}
