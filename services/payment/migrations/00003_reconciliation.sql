-- +goose Up

-- The gateway's ledger as it was read: our bank statement. Reconciliation compares it with ledger_entry
-- in both directions.
CREATE TABLE gateway_line (
    position           bigint      PRIMARY KEY, -- its number in the gateway's ledger, from 1: reading goes on after the largest
    id                 text        NOT NULL UNIQUE, -- ch_… or re_…
    kind               text        NOT NULL,
    merchant_reference text        NOT NULL,
    order_id           uuid,       -- what the reference means, where it is an order
    direct_reference   text,       -- what it means, where it is a direct payment
    amount             bigint      NOT NULL,
    currency           text        NOT NULL,
    read_at            timestamptz NOT NULL DEFAULT now(),
    matched_at         timestamptz -- NULL: our ledger does not show the same movement, or not yet
);

CREATE INDEX gateway_line_open ON gateway_line (position) WHERE matched_at IS NULL;

REVOKE DELETE, TRUNCATE ON gateway_line FROM payment;

-- +goose Down
DROP TABLE gateway_line;
