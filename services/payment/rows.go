package payment

import "example.com/ordersaga/internal/adminapi"

// keeps is what there is about an order here, as the admin listener shows it: no address, no mail address and no card.
var keeps = []adminapi.Table{
	{Name: "payment", SQL: `
		SELECT state, amount, currency, charge_id, refund_id, refund_number, refund_amount, captured_amount, returned_amount,
			cancel_wanted, reason, returned_by, problem, attempts, lease_until, created_at, updated_at
		FROM payment WHERE order_id = $1`},
	{Name: "ledger_entry", SQL: `
		SELECT kind, account, amount, currency, gateway_id, created_at FROM ledger_entry
		WHERE merchant_reference = $1::text ORDER BY id`},
}
