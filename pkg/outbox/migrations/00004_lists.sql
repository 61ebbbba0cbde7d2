-- +goose Up

-- For listing those that are open, however many are closed, and all of one key.
CREATE INDEX dead_letter_first_open ON dead_letter (first_at, id) WHERE closed_at IS NULL;
CREATE INDEX dead_letter_key ON dead_letter (key);

-- +goose Down
DROP INDEX dead_letter_first_open, dead_letter_key;
