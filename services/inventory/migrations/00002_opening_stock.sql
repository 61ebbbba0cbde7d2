-- +goose Up

-- The shop's SKUs: three with plenty of stock, one with a single unit to fight over, one that is always
-- out of stock. What there is of them comes through the ledger, like every other unit.
INSERT INTO stock (sku) VALUES ('widget'), ('gadget'), ('gizmo'), ('last-one'), ('unobtainium');

WITH opening AS (
    INSERT INTO stock_adjustment (id, sku, delta, reason) VALUES
        (gen_random_uuid(), 'widget',   1000000, 'opening stock'),
        (gen_random_uuid(), 'gadget',   1000000, 'opening stock'),
        (gen_random_uuid(), 'gizmo',    1000000, 'opening stock'),
        (gen_random_uuid(), 'last-one', 1,       'opening stock')
    RETURNING sku, delta
)
UPDATE stock SET available = delta FROM opening WHERE stock.sku = opening.sku;

-- +goose Down
DELETE FROM stock_adjustment WHERE reason = 'opening stock';
DELETE FROM stock WHERE sku IN ('widget', 'gadget', 'gizmo', 'last-one', 'unobtainium');
