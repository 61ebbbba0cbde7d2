-- +goose Up

-- What this service has to say. A row is written in the transaction that makes it true, and published
-- later by the relay. The id is the event's own, on every delivery and for ever.
CREATE TABLE outbox (
    id           uuid        PRIMARY KEY,
    position     bigint      GENERATED ALWAYS AS IDENTITY, -- the order of writing, for publishing in about that order
    order_id     uuid        NOT NULL,
    type         text        NOT NULL,
    subject      text        NOT NULL,
    payload      bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz, -- when the broker's acknowledgement was noted; null: to be published
    stream_seq   bigint,      -- where it stands in the stream
    message_id   text,        -- what the broker recognises duplicates by, where it is not the id: set to publish again on purpose
    CHECK ((published_at IS NULL) = (stream_seq IS NULL))
);

-- The queue: what is published leaves this index, so it stays as small as the backlog.
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
-- For sweeping what is old and replaying what is young.
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- What this service has heard. The primary key is the promise that an event takes effect once.
CREATE TABLE inbox (
    event_id    uuid        PRIMARY KEY,
    type        text        NOT NULL,
    order_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received ON inbox (received_at);

-- What was delivered and can never be understood or done. The id is made from the message, so that the
-- same message parked twice is one row that was tried twice.
CREATE TABLE dead_letter (
    id       uuid        PRIMARY KEY,
    event_id text        NOT NULL, -- as the message says, if it says so; not to be trusted
    order_id text        NOT NULL, -- likewise
    type     text        NOT NULL, -- likewise
    subject  text        NOT NULL,
    payload  bytea       NOT NULL,
    reason   text        NOT NULL,
    attempts int         NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now()
);

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

-- Which broker and which stream hold what the outbox calls published. One row, or none before the first
-- contact.
CREATE TABLE broker (
    one            boolean     PRIMARY KEY DEFAULT true CHECK (one),
    server_id      text        NOT NULL, -- a new one after every restart of the server
    stream_created timestamptz NOT NULL, -- a new one when the stream was made anew
    met_at         timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE broker, incident, dead_letter, inbox, outbox;
