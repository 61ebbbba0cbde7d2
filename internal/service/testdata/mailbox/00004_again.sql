-- +goose Up

-- Whether the row is to be published again because the broker may have lost it: then it can wait for what was never
-- said at all.
ALTER TABLE outbox ADD COLUMN again boolean NOT NULL DEFAULT false;

-- Two queues: what is new, in the order of writing, and what is published again.
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_unpublished ON outbox (again, position) WHERE published_at IS NULL;

-- +goose Down
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
ALTER TABLE outbox DROP COLUMN again;
