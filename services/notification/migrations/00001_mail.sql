-- +goose Up

-- What customers are told by mail: at most one mail of a kind about an order. A row is written in the transaction that
-- remembers the event, and sent later, as often as it takes:
--
--     WAITING   it is to be sent, or is being sent until next_attempt_at
--     SENT      the mail server has taken it
--     REFUSED   the mail server never takes it, or the recipient is not an address
--     UNKNOWN   it was handed over, more than once, and the mail server never answered: it may have arrived
--
-- attempts is the lease's number: who has an older one than the row has lost the mail to another process.
CREATE TABLE mail (
    order_id        uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('received', 'cancelled')),
    recipient       text        NOT NULL CHECK (recipient <> ''),
    name            text        NOT NULL,
    body            text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('WAITING', 'SENT', 'REFUSED', 'UNKNOWN')),
    problem         text,       -- why the last attempt did not deliver it
    attempts        int         NOT NULL DEFAULT 0,
    unanswered      int         NOT NULL DEFAULT 0, -- attempts after which the mail server may have it
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    PRIMARY KEY (order_id, kind),
    CONSTRAINT an_end_has_a_moment CHECK ((ended_at IS NULL) = (state = 'WAITING')),
    CONSTRAINT an_end_without_a_mail_has_words CHECK (problem IS NOT NULL OR state IN ('WAITING', 'SENT'))
);
-- The queue: what has ended leaves it.
CREATE INDEX mail_due ON mail (next_attempt_at) WHERE state = 'WAITING';

REVOKE DELETE, TRUNCATE ON mail FROM notification;

-- +goose Down
DROP TABLE mail;
