-- +goose Up

-- The processes whose relays publish. Each renews its row as long as it publishes, and removes it when it ends; the
-- times are the database's. What a process has left that is not in here any more is taken over by another one.
CREATE TABLE outbox_relay (
    id      uuid        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- A row has an owner: the process that has written it, and that publishes it. Rows of the release before have none
-- (the default), so that anybody takes them over.
ALTER TABLE outbox_due
    ADD COLUMN owner uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    DROP CONSTRAINT outbox_due_pkey,
    ADD PRIMARY KEY (owner, republish, position);

-- Who owns rows: one look into the key for each of them, however many rows there are.
CREATE VIEW outbox_owner AS
WITH RECURSIVE next AS (
    (SELECT owner FROM outbox_due ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT owner FROM outbox_due WHERE owner > next.owner ORDER BY owner LIMIT 1) FROM next WHERE owner IS NOT NULL)
SELECT owner FROM next WHERE owner IS NOT NULL;

CREATE OR REPLACE VIEW outbox AS
SELECT message.id, position, key, type, subject, payload, created_at, published_at, stream_created, stream_seq, message_id,
       EXISTS (SELECT FROM outbox_owner JOIN outbox_due AS due USING (owner)
               WHERE due.republish AND due.position = message.position) AS republish, traceparent
FROM outbox_message AS message LEFT JOIN outbox_mark AS mark ON mark.id = message.id;

-- +goose Down
CREATE OR REPLACE VIEW outbox AS
SELECT message.id, position, key, type, subject, payload, created_at, published_at, stream_created, stream_seq, message_id,
       EXISTS (SELECT FROM outbox_due AS due WHERE due.republish AND due.position = message.position) AS republish, traceparent
FROM outbox_message AS message LEFT JOIN outbox_mark AS mark ON mark.id = message.id;
DROP VIEW outbox_owner;
ALTER TABLE outbox_due
    DROP CONSTRAINT outbox_due_pkey,
    DROP COLUMN owner,
    ADD PRIMARY KEY (republish, position);
DROP TABLE outbox_relay;
