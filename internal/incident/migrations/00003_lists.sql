-- +goose Up

-- For listing them, newest first: all, and those that are open; and for all of one order.
CREATE INDEX incident_opened ON incident (opened_at, id);
CREATE INDEX incident_opened_open ON incident (opened_at, id) WHERE resolved_at IS NULL;
CREATE INDEX incident_order ON incident (order_id);

-- +goose Down
DROP INDEX incident_opened, incident_opened_open, incident_order;
