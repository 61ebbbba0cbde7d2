package order

import "example.com/ordersaga/internal/adminapi"

// orderRows are an order's rows here, as the admin listener shows them: no address, no mail address and no card.
var orderRows = []adminapi.Table{
	{Name: "orders", SQL: `
		SELECT status, reason, shipment_id, total_amount, currency, deadline, cancel_requested_at, attempt, asked_at,
		  created_at, updated_at
		FROM orders WHERE id = $1`},
	{Name: "order_history",
		SQL: `SELECT position, status, reason, event_id, at FROM order_history WHERE order_id = $1 ORDER BY position`},
	{Name: "order_incident", SQL: `
		SELECT service, kind, reason, opened_at, resolved_at FROM order_incident WHERE order_id = $1
		  ORDER BY coalesce(opened_at, resolved_at)`},
}
