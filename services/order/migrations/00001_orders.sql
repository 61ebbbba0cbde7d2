-- +goose Up

-- What an order may contain and what it costs. Prices belong to this service alone.
CREATE TABLE price (
    sku      text   PRIMARY KEY,
    amount   bigint NOT NULL CHECK (amount >= 0), -- of one piece, in minor units
    currency text   NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- An order as it was accepted, and what has become of it.
CREATE TABLE orders (
    id                  uuid        PRIMARY KEY, -- version 7: newer orders have larger ids, which the list goes by
    customer_id         text        NOT NULL,
    status              text        NOT NULL CHECK (status IN ('PENDING', 'CANCELLING', 'CONFIRMED', 'CANCELLED')),
    reason              text,                    -- why it is cancelled or being cancelled
    shipment_id         text,
    total_amount        bigint      NOT NULL CHECK (total_amount >= 0),
    currency            text        NOT NULL,
    items               jsonb       NOT NULL,    -- [{"sku", "quantity", "unit_price"}], as they were priced
    payment_method      text        NOT NULL,
    ship_to             jsonb       NOT NULL,
    deadline            timestamptz NOT NULL,    -- pending until then, it is cancelled
    cancel_requested_at timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'CONFIRMED') = (shipment_id IS NOT NULL)), -- nothing is confirmed that was not shipped
    CHECK (status <> 'CANCELLING' OR cancel_requested_at IS NOT NULL),
    CHECK (status <> 'CANCELLED' OR reason IS NOT NULL)
);
CREATE INDEX orders_status ON orders (status, id);                           -- for the list by status
CREATE INDEX orders_deadline ON orders (deadline) WHERE status = 'PENDING';  -- for the deadline sweeper

-- Every state that an order was in. Rows are added and never touched again.
CREATE TABLE order_history (
    order_id uuid        NOT NULL,
    position bigint      GENERATED ALWAYS AS IDENTITY,
    status   text        NOT NULL,
    reason   text,
    event_id uuid,       -- the event that made it so; none when a request or the clock did
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, position)
);
-- An order ends once: never confirmed and cancelled, whatever the code does.
CREATE UNIQUE INDEX order_history_end ON order_history (order_id) WHERE status IN ('CONFIRMED', 'CANCELLED');

-- What keeps orders from going on, as the services tell. Orders that are unknown here may have incidents,
-- so there is no foreign key.
CREATE TABLE order_incident (
    order_id    uuid NOT NULL,
    incident_id text NOT NULL,
    service     text NOT NULL,
    kind        text NOT NULL,
    reason      text NOT NULL DEFAULT '',
    opened_at   timestamptz,             -- none when only the end was heard of: a tombstone
    resolved_at timestamptz,
    PRIMARY KEY (order_id, incident_id),
    CHECK (opened_at IS NOT NULL OR resolved_at IS NOT NULL)
);

-- What the service has no business to do, its login cannot: change history, lose orders, change prices.
REVOKE UPDATE, DELETE, TRUNCATE ON order_history FROM "order";
REVOKE DELETE, TRUNCATE ON orders, order_incident FROM "order";
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON price FROM "order";

-- +goose Down
DROP TABLE order_incident, order_history, orders, price;
