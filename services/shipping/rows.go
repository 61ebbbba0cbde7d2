package shipping

import "example.com/ordersaga/internal/adminapi"

// keeps is what there is about an order here, as the admin listener shows it: no address, no mail address and no card.
var keeps = []adminapi.Table{
	{Name: "shipment", SQL: `SELECT state, shipment_id, reason, created_at FROM shipment WHERE order_id = $1`},
}
