package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/events"
)

// spread is how many SKUs a load's orders are spread over. With the shop's own three, the baseline would wait for
// their rows most of the time: its transactions are short, and many want the same row.
const spread = 200

func benchSKUs() []string {
	skus := make([]string, spread)
	for i := range skus {
		skus[i] = fmt.Sprintf("bench-%03d", i)
	}
	return skus
}

// addSKUs gives a side's order service prices of the SKUs, and its inventory more units than any run sells.
func addSKUs(ctx context.Context, superuser, prefix string, skus []string) error {
	for service, statement := range map[events.Service]string{
		events.Order: `
			INSERT INTO price (sku, amount, currency) SELECT sku, 1000, 'USD' FROM unnest($1::text[]) AS sku`,
		events.Inventory: `
			WITH added AS (INSERT INTO stock (sku, available) SELECT sku, 1000000 FROM unnest($1::text[]) AS sku RETURNING *)
			INSERT INTO stock_adjustment (id, sku, delta, reason)
			SELECT gen_random_uuid(), sku, available, 'benchmark' FROM added`,
	} {
		if err := execIn(ctx, superuser, prefix+string(service), statement, skus); err != nil {
			return fmt.Errorf("add SKUs to %s%s: %w", prefix, service, err)
		}
	}
	return nil
}

func execIn(ctx context.Context, url, database, statement string, args ...any) (err error) {
	config, err := postgres.Config(url, postgres.Migrating)
	if err != nil {
		return err
	}
	config.Database = database
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement, args...)
	return err
}
