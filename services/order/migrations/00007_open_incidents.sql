-- +goose Up

-- Those that are open, to be looked for without all that are resolved.
CREATE INDEX order_incident_open ON order_incident (order_id) WHERE opened_at IS NOT NULL AND resolved_at IS NULL;

-- +goose Down
DROP INDEX order_incident_open;
