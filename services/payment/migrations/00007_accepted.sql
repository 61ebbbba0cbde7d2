-- +goose Up

-- What the gateway shows of an order beside the payment's own charge, and has given back in full: an operator has taken
-- note of it. It is not ours, so it is in no ledger of ours, and no difference any more.
CREATE TABLE accepted_movement (
    gateway_id  text        PRIMARY KEY, -- ch_… or re_…
    order_id    uuid        NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
);

REVOKE UPDATE, DELETE, TRUNCATE ON accepted_movement FROM payment;

-- +goose Down
DROP TABLE accepted_movement;
