-- +goose Up

-- What became of an order's shipment, one row for each order. A row is written once and never changes:
--
--     CREATED     the order is on its way; from here on its saga only goes forward (the pivot)
--     FAILED      it cannot be shipped; the saga is undone
--     FENCED      it was cancelled before there was a shipment (a tombstone); the saga is undone
--
-- The primary key is the fence. A paid order that is to be shipped and the request to cancel it may be
-- handled at the same instant by two replicas; both insert, one row is kept, and the other replica sees
-- that it came too late. Nothing else decides whether an order can still be cancelled.
CREATE TABLE shipment (
    order_id    uuid        PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('CREATED', 'FAILED', 'FENCED')),
    shipment_id text        UNIQUE CHECK (shipment_id LIKE 'shp\_%'),
    reason      text,
    ship_to     jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT what_is_shipped_has_an_id CHECK ((shipment_id IS NOT NULL) = (state = 'CREATED')),
    CONSTRAINT a_no_has_a_reason CHECK ((reason IS NOT NULL) = (state <> 'CREATED')),
    CONSTRAINT only_a_fence_has_no_address CHECK ((ship_to IS NULL) = (state = 'FENCED'))
);

-- The service's own login writes each row once, and cannot take it back.
REVOKE UPDATE, DELETE, TRUNCATE ON shipment FROM shipping;

-- +goose Down
DROP TABLE shipment;
