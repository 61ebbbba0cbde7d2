package verify

import (
	"cmp"
	"context"
	"slices"

	"example.com/ordersaga/pkg/events"
)

// stockAddsUp compares each SKU's three numbers with the ledger of adjustments and with the reservations:
// the first comparison finds units that came from nowhere, the second one a step that was done twice.
func stockAddsUp(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Inventory, `
		WITH ledger AS (SELECT sku, sum(delta) AS total FROM stock_adjustment GROUP BY sku),
		held AS (
			SELECT line->>'sku' AS sku,
			       sum((line->>'quantity')::bigint) FILTER (WHERE state = 'RESERVED') AS reserved,
			       sum((line->>'quantity')::bigint) FILTER (WHERE state = 'SOLD') AS sold
			FROM reservation, jsonb_array_elements(lines) AS line
			WHERE state IN ('RESERVED', 'SOLD')
			GROUP BY 1)
		SELECT sku, format('available %s, reserved %s, sold %s; adjustments %s; reservations hold %s and sold %s',
		                   s.available, s.reserved, s.sold, coalesce(l.total, 0), coalesce(h.reserved, 0), coalesce(h.sold,
		                     0))
		FROM stock s LEFT JOIN ledger l USING (sku) LEFT JOIN held h USING (sku)
		WHERE least(s.available, s.reserved, s.sold) < 0
		   OR s.available + s.reserved + s.sold <> coalesce(l.total, 0)
		   OR s.reserved <> coalesce(h.reserved, 0)
		   OR s.sold <> coalesce(h.sold, 0)`)
}

// oneOfEach looks for a second row per order, and for the constraint that makes one impossible.
func oneOfEach(ctx context.Context, l *look) ([]Offender, error) {
	var found []Offender
	for service, table := range map[events.Service]string{
		events.Inventory: "reservation", events.Payment: "payment", events.Shipping: "shipment",
	} {
		more, err := l.offenders(ctx, service, `
			SELECT order_id::text, format('%s rows in `+table+`', count(*))
			FROM `+table+` GROUP BY order_id HAVING count(*) > 1
			UNION ALL
			SELECT '`+table+`', 'no constraint keeps a second row of an order out'
			WHERE NOT EXISTS (
				SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
				WHERE i.indrelid = '`+table+`'::regclass AND i.indisunique AND i.indisvalid
				  AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = 'order_id')`)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// remembered is how far back the inboxes are trusted to know what they consumed; they forget after 72 hours.
const remembered = `interval '71 hours'`

// effectsHaveCauses looks for the inbox row of each effect's event.
func effectsHaveCauses(ctx context.Context, l *look) ([]Offender, error) {
	var found []Offender
	for _, effect := range []struct {
		service  events.Service
		effects  string // rows with order_id and created_at
		what     string
		causedBy []events.Event
	}{
		{
			events.Inventory, `SELECT order_id, created_at FROM reservation WHERE lines IS NOT NULL`, "a reservation",
			[]events.Event{events.OrderCreated{}, events.OrderCreatedV2{}},
		},
		{
			events.Inventory, `SELECT order_id, created_at FROM reservation WHERE lines IS NULL`, "a reservation's tombstone",
			[]events.Event{events.PaymentFailed{}, events.PaymentRefunded{}, events.PaymentVoided{}},
		},
		{
			events.Payment, `SELECT order_id, created_at FROM payment WHERE charge_key IS NOT NULL
				AND direct_reference IS NULL`, "a payment",
			[]events.Event{events.InventoryReserved{}},
		},
		{events.Payment, `SELECT order_id, created_at FROM payment WHERE state = 'VOIDED'`, "a payment's tombstone",
			[]events.Event{events.ShipmentFailed{}}},
		{events.Shipping, `SELECT order_id, created_at FROM shipment WHERE state <> 'FENCED'`, "a shipment",
			[]events.Event{events.PaymentProcessed{}}},
		{events.Shipping, `SELECT order_id, created_at FROM shipment WHERE state = 'FENCED'`, "a fence",
			[]events.Event{events.OrderCancelRequested{}}},
	} {
		more, err := l.offenders(ctx, effect.service, `
			SELECT e.order_id::text, $1 || ' without the event that asks for it'
			FROM (`+effect.effects+`) e
			WHERE e.created_at > now() - `+remembered+`
			  AND NOT EXISTS (SELECT FROM inbox i WHERE i.key = e.order_id AND i.type = ANY ($2))`,
			effect.what, typesOf(effect.causedBy))
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func typesOf(caused []events.Event) []string {
	types := make([]string, len(caused))
	for i, event := range caused {
		types[i] = event.Type().String()
	}
	return types
}

// sameItems reports whether a reservation holds exactly what was ordered.
func sameItems(ordered, held []item) bool {
	return slices.Equal(bySKU(ordered), bySKU(held))
}

// bySKU is what is wanted of each SKU, in SKU order.
func bySKU(items []item) []item {
	var sums []item
	for _, it := range items {
		at, known := slices.BinarySearchFunc(sums, it, func(a, b item) int { return cmp.Compare(a.SKU, b.SKU) })
		if !known {
			sums = slices.Insert(sums, at, item{SKU: it.SKU})
		}
		sums[at].Quantity += it.Quantity
	}
	return sums
}
