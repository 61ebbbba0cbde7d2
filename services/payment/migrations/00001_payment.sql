-- +goose Up

-- What payment knows about an order, one row for each: the primary key is what makes a repeated
-- InventoryReserved charge nothing.
--
--     INTENT ----> CAPTURED --> REFUNDING --> REFUNDED
--        |            ^             |-------> REFUND_REFUSED --> (operator) REFUNDING, REFUNDED, SETTLED
--        |----> UNKNOWN            /
--        |         |--------------'  captured, but a cancel had come in the meantime
--        '----> DECLINED
--     VOIDED       a tombstone: the cancel came before the charge, so that no call will ever be made
--
--     DECLINED or VOIDED --> LATE_CAPTURED --> REFUNDING   the gateway's ledger shows money all the same
--
-- INTENT, UNKNOWN, LATE_CAPTURED and REFUNDING are work: a worker leases the row, calls the gateway outside
-- of any transaction, and finishes in a transaction that names the lease.
CREATE TABLE payment (
    order_id         uuid        PRIMARY KEY,
    direct_reference text        CHECK (direct_reference ~ '^[A-Za-z0-9._-]{1,64}$'), -- NULL: the saga owns the payment
    state            text        NOT NULL CHECK (state IN ('INTENT', 'CAPTURED', 'DECLINED', 'UNKNOWN', 'VOIDED', 'REFUNDING',
                                                           'REFUNDED', 'REFUND_REFUSED', 'SETTLED', 'LATE_CAPTURED')),

    -- The request as it was frozen before the first call: every repetition sends exactly this.
    charge_key       text,
    amount           bigint      CHECK (amount > 0),
    currency         text        CHECK (currency ~ '^[A-Z]{3}$'),
    payment_method   text,
    snapshot         jsonb,      -- the order, which PaymentProcessed carries on

    -- What the gateway said, or what is asked of it next.
    charge_id        text,
    refund_id        text,
    refund_number    int         NOT NULL DEFAULT 1 CHECK (refund_number > 0), -- raised by an operator alone; part of the refund's key
    refund_amount    bigint      CHECK (refund_amount > 0),
    cancel_wanted    boolean     NOT NULL DEFAULT false, -- a cancel met an open charge: give back what it turns out to have captured
    reason           text,       -- why it was declined, voided or given back
    problem          text,       -- why the last answer decided nothing, for the operator

    -- Who works on it, and when it is due. The lease's clock is the database's.
    lease_token      uuid,
    lease_until      timestamptz,
    attempts         int         NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL DEFAULT now(),
    sent_until       timestamptz, -- no request that was claimed leaves later than this: from here the in-flight horizon counts
    unknown_since    timestamptz, -- from here the budget counts

    -- What the answer follows from.
    cause_id         text,
    traceparent      text,
    charge_request   text,       -- of a direct payment: the Idempotency-Key of the request that charged it
    refund_request   text,       -- and of the one that refunds it

    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT only_a_tombstone_has_no_request CHECK (
        charge_key IS NOT NULL AND amount IS NOT NULL AND currency IS NOT NULL AND payment_method IS NOT NULL OR
        state IN ('VOIDED', 'LATE_CAPTURED', 'REFUNDING', 'REFUNDED', 'REFUND_REFUSED', 'SETTLED')),
    CONSTRAINT captured_money_has_a_charge CHECK (
        charge_id IS NOT NULL OR state IN ('INTENT', 'DECLINED', 'UNKNOWN', 'VOIDED')),
    CONSTRAINT a_refund_has_an_amount CHECK (
        refund_amount IS NOT NULL AND currency IS NOT NULL OR state IN ('INTENT', 'CAPTURED', 'DECLINED', 'UNKNOWN', 'VOIDED')),
    CONSTRAINT refunded_money_has_a_refund CHECK (refund_id IS NOT NULL OR state <> 'REFUNDED'),
    CONSTRAINT a_lease_has_an_end CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT the_saga_knows_its_order CHECK (direct_reference IS NULL OR snapshot IS NULL)
)
-- Each row is updated two or three times within a second of its birth. Room beside it lets the claim put
-- the next version into the same page, where it needs no new index entry.
WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- Beneath the key that expires stands the one that does not: what is paid directly is paid once.
CREATE UNIQUE INDEX payment_direct_reference ON payment (direct_reference) WHERE direct_reference IS NOT NULL;

-- The work queue. What is decided leaves it, so it stays as small as the work.
CREATE INDEX payment_due ON payment (next_attempt_at)
    WHERE state IN ('INTENT', 'UNKNOWN', 'LATE_CAPTURED', 'REFUNDING');

-- Undoing is a new state, not a delete.
REVOKE DELETE, TRUNCATE ON payment FROM payment;

-- +goose Down
DROP TABLE payment;
