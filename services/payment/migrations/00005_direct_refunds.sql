-- +goose Up

-- What clients of the API asked to be refunded, one row for each Idempotency-Key: beneath the key that expires it keeps
-- an old request from becoming a new refund. Each has the number that its key at the gateway is made of.
CREATE TABLE direct_refund (
    request    text        PRIMARY KEY, -- the Idempotency-Key
    order_id   uuid        NOT NULL REFERENCES payment,
    number     int         NOT NULL,
    asked      bigint      CHECK (asked > 0), -- NULL: for the rest
    amount     bigint      NOT NULL CHECK (amount > 0),
    currency   text        NOT NULL,
    refund_id  text,       -- the gateway's name, when it was made
    problem    text,       -- the gateway's code, when it was refused for good
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, number),
    CONSTRAINT made_or_refused CHECK (refund_id IS NULL OR problem IS NULL)
);

INSERT INTO direct_refund (request, order_id, number, asked, amount, currency, refund_id, problem)
SELECT refund_request, order_id, refund_number, refund_amount, refund_amount, currency,
       CASE state WHEN 'REFUNDED' THEN refund_id END, CASE state WHEN 'REFUND_REFUSED' THEN problem END
FROM payment WHERE direct_reference IS NOT NULL AND refund_request IS NOT NULL;

REVOKE DELETE, TRUNCATE ON direct_refund FROM payment;

-- +goose Down
DROP TABLE direct_refund;
