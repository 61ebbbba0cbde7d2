-- +goose Up

-- While stock is held: the order, with which payment is asked again when nobody answers what became of it; how often
-- that was, and when for the last time, if it was not the first. Rows from before get the order from their event, where
-- the outbox still has that.
ALTER TABLE reservation
    ADD COLUMN attempt int NOT NULL DEFAULT 1 CHECK (attempt >= 1), ADD COLUMN asked_at timestamptz,
    ADD COLUMN snapshot jsonb CONSTRAINT only_held_stock_has_an_order CHECK (snapshot IS NULL OR state = 'RESERVED');
UPDATE reservation SET snapshot = convert_from(payload, 'UTF8')::jsonb -> 'data'
FROM outbox
WHERE outbox.key = reservation.order_id AND outbox.type = 'saga.inventory.InventoryReserved.v1' AND state = 'RESERVED';
-- What is held for long is found here; what is sold or released leaves it.
CREATE INDEX reservation_held ON reservation (coalesce(asked_at, created_at)) WHERE state = 'RESERVED';

-- +goose Down
ALTER TABLE reservation DROP COLUMN attempt, DROP COLUMN asked_at, DROP COLUMN snapshot;
