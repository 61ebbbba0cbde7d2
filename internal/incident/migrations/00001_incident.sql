-- +goose Up

-- Where the service cannot go on with an order by itself. At most one is open per order and kind.
CREATE TABLE incident (
    id          uuid        PRIMARY KEY,
    order_id    uuid        NOT NULL,
    kind        text        NOT NULL,
    reason      text        NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution  text,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX incident_open ON incident (order_id, kind) WHERE resolved_at IS NULL;

-- +goose Down
DROP TABLE incident;
