-- +goose Up

-- A message is written once. What changes about it stands in two narrow tables: a row of outbox_due while it is to be
-- published, and a row of outbox_mark when the broker has acknowledged it. To mark a message is to delete the one row
-- and to insert the other; its payload is not written a second time. A message has exactly one of them.
ALTER TABLE outbox RENAME TO outbox_message;
ALTER INDEX outbox_pkey RENAME TO outbox_message_pkey;

-- What is to be published: two queues, new rows in the order of writing, and behind them rows to be republished since
-- the broker may have lost them. The table is as small as the backlog, so every read of the relay is. There is no
-- foreign key, which would cost a look-up and a lock for each row: one statement writes both rows.
CREATE TABLE outbox_due (
    republish boolean NOT NULL DEFAULT false,
    position  bigint  NOT NULL,
    id        uuid    NOT NULL,
    PRIMARY KEY (republish, position)
-- Every row is deleted soon: a vacuum after so many of them keeps the table within a few pages, and is over in a moment.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Which message the broker has acknowledged, at which sequence of which stream.
CREATE TABLE outbox_mark (
    id             uuid        PRIMARY KEY,
    published_at   timestamptz NOT NULL DEFAULT now(), -- when it was marked, soon after the acknowledgement
    stream_created timestamptz NOT NULL,               -- which stream it was; see the table broker
    stream_seq     bigint      NOT NULL
);
-- For sweeping old rows and republishing young ones.
CREATE INDEX outbox_mark_published ON outbox_mark (published_at);

INSERT INTO outbox_due (republish, position, id)
SELECT republish, position, id FROM outbox_message WHERE published_at IS NULL;
INSERT INTO outbox_mark (id, published_at, stream_created, stream_seq)
SELECT id, published_at, COALESCE((SELECT stream_created FROM broker), '-infinity'), stream_seq
FROM outbox_message WHERE published_at IS NOT NULL;
ALTER TABLE outbox_message DROP COLUMN published_at, DROP COLUMN stream_seq, DROP COLUMN republish;

-- All of it in one place, for people and for whoever reads the history.
CREATE VIEW outbox AS
SELECT message.id, position, key, type, subject, payload, created_at, published_at, stream_created, stream_seq, message_id,
       EXISTS (SELECT FROM outbox_due AS due WHERE due.republish AND due.position = message.position) AS republish
FROM outbox_message AS message LEFT JOIN outbox_mark AS mark ON mark.id = message.id;

-- Replicas of the release before this one write into the view until they are replaced. They do not publish any more.
-- +goose StatementBegin
CREATE FUNCTION outbox_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_message (id, key, type, subject, payload, created_at)
    VALUES (NEW.id, NEW.key, NEW.type, NEW.subject, NEW.payload, COALESCE(NEW.created_at, now()))
    RETURNING position INTO NEW.position;
    IF NEW.published_at IS NULL THEN
        INSERT INTO outbox_due (position, id) VALUES (NEW.position, NEW.id);
    ELSE
        INSERT INTO outbox_mark (id, published_at, stream_created, stream_seq)
        VALUES (NEW.id, NEW.published_at, COALESCE(NEW.stream_created, '-infinity'), NEW.stream_seq);
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_insert();

-- +goose Down
DROP VIEW outbox;
DROP FUNCTION outbox_insert;
ALTER TABLE outbox_message
    ADD COLUMN published_at timestamptz, ADD COLUMN stream_seq bigint, ADD COLUMN republish boolean NOT NULL DEFAULT false;
UPDATE outbox_message SET published_at = mark.published_at, stream_seq = mark.stream_seq
FROM outbox_mark AS mark WHERE mark.id = outbox_message.id;
UPDATE outbox_message SET republish = true FROM outbox_due AS due WHERE due.id = outbox_message.id AND due.republish;
DROP TABLE outbox_due, outbox_mark;
ALTER TABLE outbox_message ADD CHECK ((published_at IS NULL) = (stream_seq IS NULL));
ALTER TABLE outbox_message RENAME TO outbox;
ALTER INDEX outbox_message_pkey RENAME TO outbox_pkey;
CREATE INDEX outbox_unpublished ON outbox (republish, position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
