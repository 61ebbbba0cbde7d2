-- +goose Up

-- How often shipping was asked to stop the order, and when it was asked for the last time, if that was not the first.
ALTER TABLE orders ADD COLUMN attempt int NOT NULL DEFAULT 1 CHECK (attempt >= 1), ADD COLUMN asked_at timestamptz;

-- +goose Down
ALTER TABLE orders DROP COLUMN attempt, DROP COLUMN asked_at;
