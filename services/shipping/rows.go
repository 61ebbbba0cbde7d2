package shipping

import "example.com/ordersaga/internal/adminapi"

// orderRows are an order's rows here, as the admin listener shows them: no address.
var orderRows = []adminapi.Table{
	{Name: "shipment", SQL: `SELECT state, shipment_id, reason, created_at FROM shipment WHERE order_id = $1`},
}
