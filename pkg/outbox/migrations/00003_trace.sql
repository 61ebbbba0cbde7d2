-- +goose Up

-- The W3C Trace Context of the span that has made a message, so that a crash or a replay breaks no trace. Null where
-- nothing is recorded.
ALTER TABLE outbox_message ADD COLUMN traceparent text;
CREATE OR REPLACE VIEW outbox AS
SELECT message.id, position, key, type, subject, payload, created_at, published_at, stream_created, stream_seq, message_id,
       EXISTS (SELECT FROM outbox_due AS due WHERE due.republish AND due.position = message.position) AS republish, traceparent
FROM outbox_message AS message LEFT JOIN outbox_mark AS mark ON mark.id = message.id;

-- +goose Down
DROP VIEW outbox;
ALTER TABLE outbox_message DROP COLUMN traceparent;
CREATE VIEW outbox AS
SELECT message.id, position, key, type, subject, payload, created_at, published_at, stream_created, stream_seq, message_id,
       EXISTS (SELECT FROM outbox_due AS due WHERE due.republish AND due.position = message.position) AS republish
FROM outbox_message AS message LEFT JOIN outbox_mark AS mark ON mark.id = message.id;
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_insert();
