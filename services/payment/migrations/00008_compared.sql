-- +goose Up

-- Up to which of our entries the gateway's lines were found to show all. Neither of the two is ever changed, so that no
-- process needs to compare these again.
CREATE TABLE compared (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    entry bigint  NOT NULL -- its id in ledger_entry
);

REVOKE DELETE, TRUNCATE ON compared FROM payment;

-- +goose Down
DROP TABLE compared;
