-- +goose Up

-- Where mails about the order go. None: the customer gets none.
ALTER TABLE orders ADD COLUMN contact_email text;

-- What customers are told by mail. A row is written in the transaction that makes it true, and sent later, as
-- often as it takes. What was sent cannot be unsent: the mail that an order was received is compensated by another
-- one, that it is cancelled.
CREATE TABLE mail (
    order_id        uuid        NOT NULL REFERENCES orders,
    kind            text        NOT NULL CHECK (kind IN ('received', 'cancelled')),
    attempts        int         NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(), -- while it is being sent: when somebody else may try, too
    problem         text,                               -- why the last attempt did not deliver it
    created_at      timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,                        -- when the mail server had taken it
    refused_at      timestamptz,                        -- when it said that it never will
    PRIMARY KEY (order_id, kind),                       -- each is said once, and so is its Message-ID
    CHECK (sent_at IS NULL OR refused_at IS NULL)
);
-- The queue: what is sent or refused leaves it.
CREATE INDEX mail_due ON mail (next_attempt_at) WHERE sent_at IS NULL AND refused_at IS NULL;

REVOKE DELETE, TRUNCATE ON mail FROM "order";

-- +goose Down
DROP TABLE mail;
ALTER TABLE orders DROP COLUMN contact_email;
