package client

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	inventory "example.com/ordersaga/services/inventory/api"
)

// Stock is how much there is of every SKU.
func (c *Client) Stock(ctx context.Context) ([]inventory.Stock, error) {
	answer, err := c.stock.ListStockWithResponse(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the stock: %w", err)
	}
	if answer.JSON200 == nil {
		return nil, fmt.Errorf("list the stock: %w", refused(answer.HTTPResponse, answer.Body))
	}
	return answer.JSON200.Stock, nil
}

// SetStock makes an adjustment after which the given number is available. The ledger keeps the reason.
func (c *Client) SetStock(ctx context.Context, sku string, available int64, reason string) (inventory.Stock, error) {
	answer, err := c.stock.AdjustStockWithResponse(ctx, sku,
		&inventory.AdjustStockParams{IdempotencyKey: uuid.NewString()},
		inventory.NewAdjustment{Available: &available, Reason: reason})
	if err != nil {
		return inventory.Stock{}, fmt.Errorf("adjust the stock of %s: %w", sku, err)
	}
	if answer.JSON201 == nil {
		return inventory.Stock{}, fmt.Errorf("adjust the stock of %s: %w", sku,
			refused(answer.HTTPResponse, answer.Body))
	}
	return answer.JSON201.Stock, nil
}
