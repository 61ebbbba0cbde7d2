package inventory

import "example.com/ordersaga/internal/adminapi"

// orderRows are an order's rows here, as the admin listener shows them.
var orderRows = []adminapi.Table{
	{Name: "reservation", SQL: `
		SELECT state, lines, reason, attempt, asked_at, created_at, updated_at FROM reservation WHERE order_id = $1`},
	{Name: "stock", SQL: `
		SELECT stock.* FROM stock JOIN reservation ON lines @> jsonb_build_array(jsonb_build_object('sku', sku))
		WHERE order_id = $1 ORDER BY sku`},
}
