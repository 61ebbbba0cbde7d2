-- +goose Up

-- What has no price that a card can be charged with is not sold: an order for it could never end as paid. The currencies
-- are those of the card gateway's contract; a test compares them. Prices from before stay, and their orders are refused.
ALTER TABLE price
    ADD CONSTRAINT price_chargeable CHECK (amount >= 1 AND currency IN
        ('AUD', 'CAD', 'CHF', 'DKK', 'EUR', 'GBP', 'JPY', 'NOK', 'PLN', 'SEK', 'USD')) NOT VALID;

-- No new order is for nothing. Orders begin as PENDING; one from before may cost nothing, and can still be cancelled.
ALTER TABLE orders
    ADD CONSTRAINT orders_total CHECK (total_amount >= 1 OR status <> 'PENDING') NOT VALID;

-- +goose Down
ALTER TABLE orders DROP CONSTRAINT orders_total;
ALTER TABLE price DROP CONSTRAINT price_chargeable;
