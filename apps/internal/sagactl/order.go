package sagactl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

func (p *program) order() *cobra.Command {
	return group("order", "Places, shows and cancels orders.", p.orderPlace(), p.orderGet(), p.orderList(), p.orderCancel(), p.orderSaga())
}

func (p *program) orderPlace() *cobra.Command {
	var skus []string
	var quantity int
	var wish client.Wish
	var wait time.Duration
	c := &cobra.Command{
		Use:   "place",
		Short: "Places an order.",
		Example: `  sagactl order place --sku widget --quantity 2 --wait
  sagactl order place --sku widget --token tok_declined --wait
  sagactl order place --sku gizmo,gadget --country AQ --key my-first-order`,
		Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			for _, sku := range skus {
				wish.Items = append(wish.Items, api.NewItem{Sku: sku, Quantity: quantity})
			}
			return p.place(c.Context(), s, wish, wait)
		}),
	}
	f := c.Flags()
	f.StringSliceVar(&skus, "sku", []string{"widget"}, "what to order; several with commas")
	f.IntVar(&quantity, "quantity", 1, "how many of each")
	f.StringVar(&wish.Token, "token", "tok_visa", "how to pay: a token of the card gateway")
	f.StringVar(&wish.Country, "country", "DE", "where to ship, ISO 3166-1 alpha-2")
	f.StringVar(&wish.Email, "email", "", "where mails about the order go; without it none are sent")
	f.StringVar(&wish.Key, "key", "", "the Idempotency-Key; a new one without")
	f.DurationVar(&wait, "wait", 0, "wait until the saga has ended, at most this long (plain --wait: 60s)")
	f.Lookup("wait").NoOptDefVal = "60s"
	return c
}

func (p *program) place(ctx context.Context, s *client.Shop, wish client.Wish, wait time.Duration) error {
	placed, _, err := s.Place(ctx, wish)
	if err != nil {
		return asked(err, "sagactl order place --help")
	}
	if wait > 0 {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if placed, err = s.Await(ctx, placed.Id); err != nil {
			return asked(err, "sagactl watch "+placed.Id)
		}
	}
	return p.showOrders(placed, placed)
}

func (p *program) orderGet() *cobra.Command {
	return &cobra.Command{
		Use: "get ORDER", Short: "Shows an order.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			o, err := s.Get(c.Context(), args[0])
			if err != nil {
				return asked(err, "sagactl order list")
			}
			return p.showOrders(o, o)
		}),
	}
}

func (p *program) orderList() *cobra.Command {
	var status, cursor string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "Lists orders, the newest first.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			page, err := s.List(c.Context(), status, limit, cursor)
			if err != nil {
				return asked(err, "sagactl order list --help")
			}
			if err := p.showOrders(page, page.Orders...); err != nil {
				return err
			}
			if page.NextCursor != nil && p.output == "table" {
				fmt.Fprintln(p.out, faint.Render("more: sagactl order list --cursor "+*page.NextCursor))
			}
			return nil
		}),
	}
	c.Flags().StringVar(&status, "status", "", "only orders that are PENDING, CANCELLING, CONFIRMED, CANCELLED or NEEDS_ATTENTION")
	c.Flags().IntVar(&limit, "limit", 20, "at most so many")
	c.Flags().StringVar(&cursor, "cursor", "", "where the page before ended")
	return c
}

func (p *program) orderCancel() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "cancel ORDER", Short: "Asks for an order to be undone. It may come too late: then the order is confirmed.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			o, err := s.Cancel(c.Context(), args[0])
			if err == nil && wait > 0 {
				ctx, cancel := context.WithTimeout(c.Context(), wait)
				defer cancel()
				o, err = s.Await(ctx, args[0])
			}
			if err != nil {
				return asked(err, "sagactl order get "+args[0])
			}
			return p.showOrders(o, o)
		}),
	}
	c.Flags().DurationVar(&wait, "wait", 0, "wait until the saga has ended, at most this long (plain --wait: 60s)")
	c.Flags().Lookup("wait").NoOptDefVal = "60s"
	return c
}

// showOrders prints orders as a table, or the answer as it came.
func (p *program) showOrders(answer any, orders ...api.Order) error {
	if p.output == "json" {
		return p.json(answer)
	}
	rows := [][]string{{"ORDER", "STATUS", "TOTAL#", "ITEMS", "WHY"}}
	for _, o := range orders {
		items := make([]string, len(o.Items))
		for i, item := range o.Items {
			items[i] = fmt.Sprintf("%d × %s", item.Quantity, item.Sku)
		}
		rows = append(rows, []string{
			o.Id, colourOf(o.Status).Render(string(o.Status)), sagaview.Money(events.Money(o.Total)), strings.Join(items, ", "), why(o),
		})
	}
	table(p.out, p.width(), rows)
	return nil
}

// why says what kept or keeps the order from being confirmed.
func why(o api.Order) string {
	for _, incident := range o.Incidents {
		if incident.ResolvedAt == nil {
			return incident.Service + ": " + incident.Reason
		}
	}
	if w := o.WaitingFor; w != nil {
		return waits(w, time.Now())
	}
	if o.Reason != nil {
		return *o.Reason
	}
	return ""
}
