-- +goose Up

-- The order of a shipment, which its event carries: so that the event can be published again when somebody who never
-- got it asks. Rows from before get it from their event, where the outbox still has that.
ALTER TABLE shipment ADD COLUMN snapshot jsonb;
UPDATE shipment SET snapshot = (convert_from(payload, 'UTF8')::jsonb -> 'data') - 'shipment_id'
FROM outbox
WHERE outbox.key = shipment.order_id AND outbox.type = 'saga.shipping.ShipmentCreated.v1' AND state = 'CREATED';

-- +goose Down
ALTER TABLE shipment DROP COLUMN snapshot;
