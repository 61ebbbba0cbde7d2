package sagactl

import (
	"fmt"
	"strconv"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	inventory "example.com/ordersaga/services/inventory/api"
	"example.com/ordersaga/services/order/api"
)

func (p *program) stock() *cobra.Command {
	return group("stock", "Shows and sets the stock.", p.stockList(), p.stockSet())
}

func (p *program) stockList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Shows how much there is of every SKU.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			stock, err := s.Stock(c.Context())
			if err != nil {
				return asked(err, "sagactl stock list")
			}
			return p.showStock(stock, stock...)
		}),
	}
}

func (p *program) stockSet() *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use: "set SKU AVAILABLE", Short: "Makes an adjustment after which so many are available.", Args: cobra.ExactArgs(2),
		Example: "  sagactl stock set last-one 10 --reason 'found in the cellar'",
		RunE: runs(func(c *cobra.Command, args []string) error {
			available, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || available < 0 {
				return &Failure{usage, fmt.Errorf("%q is not a number of pieces", args[1]), "sagactl stock set widget 100"}
			}
			s, err := p.shop()
			if err != nil {
				return err
			}
			stock, err := s.SetStock(c.Context(), args[0], available, reason)
			if err != nil {
				return asked(err, "sagactl stock list")
			}
			return p.showStock(stock, stock)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "counted again", "why; it is kept in the ledger")
	return c
}

func (p *program) showStock(answer any, stock ...inventory.Stock) error {
	if p.output == "json" {
		return p.json(answer)
	}
	rows := [][]string{{"SKU", "AVAILABLE#", "RESERVED#", "SOLD#"}}
	for _, s := range stock {
		rows = append(rows, []string{s.Sku, strconv.FormatInt(s.Available, 10), strconv.FormatInt(s.Reserved, 10), strconv.FormatInt(s.Sold, 10)})
	}
	table(p.out, p.width(), rows)
	return nil
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
