-- +goose Up

-- What people did to this service's data past its own ways: who, when, why, what it was before and after. A row
-- is written in the transaction of the action itself, so that neither is ever there without the other.
CREATE TABLE operator_action (
    id          uuid        PRIMARY KEY,
    request_key text        NOT NULL UNIQUE, -- of the operator's request: the same one again gets the same answer, for ever
    fingerprint bytea       NOT NULL,        -- tells two requests under one key apart
    at          timestamptz NOT NULL DEFAULT now(),
    by          text        NOT NULL CHECK (by <> ''),
    why         text        NOT NULL CHECK (why <> ''),
    action      text        NOT NULL,
    target_kind text        NOT NULL,        -- what it was done to, for example an incident
    target_id   text        NOT NULL,
    before      jsonb       NOT NULL,
    after       jsonb       NOT NULL,
    answer      bytea       NOT NULL         -- what the operator was told, byte by byte
);
CREATE INDEX operator_action_target ON operator_action (target_kind, target_id);

-- The service's own login can add to the history and read it. Which login that is differs from database to
-- database: it is whoever the default privileges have let in.
-- +goose StatementBegin
DO $$
DECLARE
    login text;
BEGIN
    FOR login IN
        SELECT DISTINCT grantee::regrole::text
        FROM pg_class, aclexplode(relacl)
        WHERE oid = 'operator_action'::regclass AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE 'REVOKE UPDATE, DELETE, TRUNCATE ON operator_action FROM ' || login;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE operator_action;
