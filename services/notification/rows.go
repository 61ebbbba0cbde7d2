package notification

import "example.com/ordersaga/internal/adminapi"

// orderRows are an order's rows here, as the admin listener shows them: no name, no address and no text.
var orderRows = []adminapi.Table{
	{Name: "mail", SQL: `
		SELECT kind, state, problem, attempts, unanswered, created_at, ended_at FROM mail
		WHERE order_id = $1 ORDER BY created_at, kind DESC`},
}
