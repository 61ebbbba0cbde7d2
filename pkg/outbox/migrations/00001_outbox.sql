-- +goose Up

-- The messages of this application. A row is written in the transaction that makes it true, and published later by
-- the relay. The id is the event's own, on every delivery.
CREATE TABLE outbox (
    id           uuid        PRIMARY KEY,
    position     bigint      GENERATED ALWAYS AS IDENTITY, -- the order of writing, for publishing in about that order
    key          uuid        NOT NULL,                     -- what the event is about
    type         text        NOT NULL,
    subject      text        NOT NULL,
    payload      bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz, -- when the broker's acknowledgement was marked; null: to be published
    stream_seq   bigint,      -- its place in the stream
    message_id   text,        -- by which the broker recognises duplicates, where it is not the id: set to republish on purpose
    republish    boolean      NOT NULL DEFAULT false, -- the broker may have lost it: it waits behind rows that were never published
    CHECK ((published_at IS NULL) = (stream_seq IS NULL))
);

-- Two queues: new rows, in the order of writing, and rows to be republished. A published row leaves this index, so it
-- stays as small as the backlog.
CREATE INDEX outbox_unpublished ON outbox (republish, position) WHERE published_at IS NULL;
-- For sweeping old rows and republishing young ones.
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- The events that have taken effect here. The primary key is the promise that an event takes effect once.
CREATE TABLE inbox (
    event_id    uuid        PRIMARY KEY,
    type        text        NOT NULL,
    key         uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received ON inbox (received_at);

-- Messages that were delivered and cannot be handled. The id is made from the message, so that the same message
-- is one row that was tried twice. A letter is open until a person decides, and opened anew when the same message
-- is dead-lettered once more. None is deleted: the payload belongs to the history.
CREATE TABLE dead_letter (
    id        uuid        PRIMARY KEY,
    event_id  text        NOT NULL, -- as the message has it, if it has one; not to be trusted
    key       text        NOT NULL, -- likewise
    type      text        NOT NULL, -- likewise
    subject   text        NOT NULL,
    payload   bytea       NOT NULL,
    reason    text        NOT NULL, -- of the last attempt
    attempts  int         NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL DEFAULT now(),
    last_at   timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_as text        CHECK (closed_as IN ('redriven', 'duplicate', 'discarded')),
    CHECK ((closed_at IS NULL) = (closed_as IS NULL))
);
-- For listing them from either end, and for finding the last open one of a key.
CREATE INDEX dead_letter_first ON dead_letter (first_at, id);
CREATE INDEX dead_letter_open ON dead_letter (key) WHERE closed_at IS NULL;

-- Which broker and which stream hold the published rows. One row, or none before the first contact.
CREATE TABLE broker (
    one            boolean     PRIMARY KEY DEFAULT true CHECK (one),
    server_id      text        NOT NULL, -- a new one after every restart of the server
    stream_created timestamptz NOT NULL, -- a new one when the stream was created anew
    met_at         timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE broker, dead_letter, inbox, outbox;
