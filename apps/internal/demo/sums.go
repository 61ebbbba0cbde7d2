package demo

import (
	"context"
	"fmt"
	"net/http"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"

	gateway "example.com/ordersaga/contracts/gateway/api"
)

// Sums shows what money and stock add up to, from those who know: the gateway's own ledger, the
// inventory, and the order service.
func (s *Stage) Sums(ctx context.Context) error {
	captured, refunded, err := s.moved(ctx)
	if err != nil {
		return err
	}
	page, err := s.shop.List(ctx, string(api.CONFIRMED), 200, "")
	if err != nil {
		return err
	}
	var owed int64
	for _, o := range page.Orders {
		owed += o.Total.Amount
	}
	usd := func(amount int64) string { return events.Money{Amount: amount, Currency: "USD"}.String() }
	fmt.Fprintf(s.out, "\n%s  captured %s − refunded %s = %s; the %d confirmed orders cost %s\n",
		title.Render("Money"), usd(captured), usd(refunded), usd(captured-refunded), len(page.Orders), usd(owed))
	stock, err := s.shop.Stock(ctx)
	if err != nil {
		return err
	}
	for i, sku := range stock {
		heading := "     "
		if i == 0 {
			heading = title.Render("Stock")
		}
		fmt.Fprintf(s.out, "%s  %-12s available %d + reserved %d + sold %d = %d\n",
			heading, sku.Sku, sku.Available, sku.Reserved, sku.Sold, sku.Available+sku.Reserved+sku.Sold)
	}
	if owed != captured-refunded {
		return fmt.Errorf("the gateway keeps %s, the confirmed orders cost %s", usd(captured-refunded), usd(owed))
	}
	return nil
}

// moved is what the gateway took and gave back.
func (s *Stage) moved(ctx context.Context) (captured, refunded int64, err error) {
	client, err := gateway.NewClientWithResponses(s.where.URLs[endpoints.Gateway])
	if err != nil {
		return 0, 0, fmt.Errorf("the gateway's address: %w", err)
	}
	answer, err := client.ReadLedgerWithResponse(ctx, &gateway.ReadLedgerParams{})
	if err != nil {
		return 0, 0, fmt.Errorf("read the gateway's ledger: %w", err)
	}
	if answer.JSON200 == nil {
		return 0, 0, fmt.Errorf("read the gateway's ledger: it answered %s", http.StatusText(answer.StatusCode()))
	}
	for _, entry := range answer.JSON200.Entries {
		if entry.Kind == "refund" {
			refunded += entry.Amount
		} else {
			captured += entry.Amount
		}
	}
	return captured, refunded, nil
}
