package shipping

import "example.com/ordersaga/pkg/operate"

// keeps is what there is about an order here, as the admin listener shows it: no address, no mail address and no card.
var keeps = []operate.Table{
	{Name: "shipment", SQL: `SELECT state, shipment_id, reason, created_at FROM shipment WHERE order_id = $1`},
}
