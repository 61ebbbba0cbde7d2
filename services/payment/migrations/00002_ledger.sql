-- +goose Up

-- Double entry: money is never made or lost, it moves from one account to another. Each movement is a
-- posting, two entries that sum to zero, and so does the table at every instant.
--
--     kind        gateway   customers   manual_settlement
--     charge         +          -                            the gateway holds for us what a customer paid
--     refund         -          +                            it gave the money back
--     settlement                +               -            an operator gave it back outside the gateway
--
-- The entries of the account gateway are what the gateway's own ledger must show, row by row.
CREATE TABLE ledger_entry (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    posting_id         uuid        NOT NULL,
    account            text        NOT NULL CHECK (account IN ('gateway', 'customers', 'manual_settlement')),
    amount             bigint      NOT NULL CHECK (amount <> 0),
    currency           text        NOT NULL,
    merchant_reference text        NOT NULL, -- the order's id, or direct:<reference>
    gateway_id         text,       -- the gateway's name of the movement, ch_… or re_…; NULL for a settlement
    kind               text        NOT NULL CHECK (kind IN ('charge', 'refund', 'settlement')),
    created_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT a_settlement_is_outside_the_gateway CHECK ((gateway_id IS NULL) = (kind = 'settlement'))
);

-- One movement at the gateway is one posting here, whatever happens.
CREATE UNIQUE INDEX ledger_entry_gateway_id ON ledger_entry (gateway_id, account);
CREATE INDEX ledger_entry_merchant_reference ON ledger_entry (merchant_reference);

-- A posting is written by one statement, and a statement that does not sum to zero fails. This is stricter
-- than a deferred check at the commit, and it runs once for a whole batch of postings.
-- +goose StatementBegin
CREATE FUNCTION postings_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM written GROUP BY posting_id
        HAVING sum(amount) <> 0 OR min(currency) <> max(currency)
    ) THEN
        RAISE EXCEPTION 'a posting must sum to zero, in one currency' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER postings_balance AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION postings_balance();

-- The service's own login can add to the ledger and read it. A mistake is put right by another posting.
REVOKE UPDATE, DELETE, TRUNCATE ON ledger_entry FROM payment;

-- +goose Down
DROP TABLE ledger_entry;
DROP FUNCTION postings_balance;
