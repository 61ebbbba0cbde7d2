-- +goose Up

-- The opening price list.
INSERT INTO price (sku, amount, currency) VALUES
    ('widget',        1999, 'USD'),
    ('gadget',        4950, 'USD'),
    ('gizmo',          750, 'USD'),
    ('last-one',      9900, 'USD'),
    ('unobtainium', 100000, 'USD');

-- +goose Down
DELETE FROM price WHERE sku IN ('widget', 'gadget', 'gizmo', 'last-one', 'unobtainium');
