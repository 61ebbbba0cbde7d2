-- +goose Up

-- How much there is of each SKU. A unit is in exactly one column at a time:
--
--     available --reserve--> reserved --sell--> sold
--         ^                      |
--         +-------release--------+
--
-- The CHECKs are the last word against overselling. Whatever the code believes, the last unit cannot be
-- taken twice: the second transaction fails, is tried again, and then sees that there is nothing left.
CREATE TABLE stock (
    sku       text   PRIMARY KEY CHECK (sku ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    available bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved  >= 0),
    sold      bigint NOT NULL DEFAULT 0 CHECK (sold      >= 0)
);

-- Why there is as much as there is: goods that came and goods that were lost. Orders only move units
-- between the columns of stock, so for each SKU at every instant
--
--     available + reserved + sold = sum (delta)
--
-- The table is a ledger: entries are added, never changed. A mistake is put right by another entry.
CREATE TABLE stock_adjustment (
    id         uuid        PRIMARY KEY,
    sku        text        NOT NULL REFERENCES stock,
    delta      bigint      NOT NULL CHECK (delta <> 0),
    reason     text        NOT NULL CHECK (reason <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stock_adjustment_sku ON stock_adjustment (sku);

-- What inventory knows about an order, one row for each: the primary key is what makes a repeated
-- OrderCreated reserve nothing.
--
--     RESERVED --> SOLD          its shipment was created
--              --> RELEASED      it was undone: what was held is available again
--     REJECTED                   the stock did not suffice, nothing was held
--     RELEASED without lines     a tombstone: it was undone before it came here, so that nothing will be held
--
-- All but RESERVED are final.
CREATE TABLE reservation (
    order_id   uuid        PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('RESERVED', 'SOLD', 'RELEASED', 'REJECTED')),
    lines      jsonb,      -- what the order wants: [{"sku": "widget", "quantity": 2}], each SKU once
    reason     text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT only_a_tombstone_has_no_lines CHECK (lines IS NOT NULL OR state = 'RELEASED'),
    CONSTRAINT a_no_has_a_reason CHECK ((reason IS NOT NULL) = (state IN ('RELEASED', 'REJECTED')))
);

-- The service's own login works with rows, and with no more of them than it needs. It cannot rewrite the
-- ledger, cannot invent or drop a SKU, and cannot forget an order: undoing is a new state, not a delete.
REVOKE UPDATE, DELETE, TRUNCATE ON stock_adjustment FROM inventory;
REVOKE INSERT, DELETE, TRUNCATE ON stock FROM inventory;
REVOKE DELETE, TRUNCATE ON reservation FROM inventory;

-- +goose Down
DROP TABLE reservation;
DROP TABLE stock_adjustment;
DROP TABLE stock;
