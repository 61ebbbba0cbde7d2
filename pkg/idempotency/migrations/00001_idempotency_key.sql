-- +goose Up

-- A row per request that was executed, or claimed by somebody who executes it.
CREATE TABLE idempotency_key (
    scope       text        NOT NULL,  -- the operation; the same key elsewhere is another key
    key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- The answer, as it is sent again. All three are NULL while the request is being executed.
    status      int         CHECK (status BETWEEN 200 AND 499),
    headers     jsonb,
    body        bytea,
    -- Who executes it, and until when the others believe so. Only for work that spans transactions.
    lease_token uuid,
    lease_until timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, key),
    CHECK ((status IS NULL) = (body IS NULL) AND (status IS NULL) = (headers IS NULL)),
    CHECK (status IS NOT NULL OR lease_token IS NOT NULL AND lease_until IS NOT NULL)
);

-- For the reaper, which asks for what has expired.
CREATE INDEX idempotency_key_expires_at ON idempotency_key (expires_at);

-- +goose Down
DROP TABLE idempotency_key;
