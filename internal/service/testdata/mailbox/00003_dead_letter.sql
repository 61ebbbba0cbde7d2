-- +goose Up

-- What a person decided about a dead letter. It is open until then, and open again when the same message is parked
-- once more. None is deleted: the payload belongs to the history of what was done.
ALTER TABLE dead_letter
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_as text CHECK (closed_as IN ('redriven', 'duplicate', 'discarded')),
    ADD CHECK ((closed_at IS NULL) = (closed_as IS NULL));

-- For looking through them from either end, and for finding an order's last open one.
CREATE INDEX dead_letter_first ON dead_letter (first_at, id);
CREATE INDEX dead_letter_open ON dead_letter (order_id) WHERE closed_at IS NULL;

-- +goose Down
DROP INDEX dead_letter_open, dead_letter_first;
ALTER TABLE dead_letter DROP COLUMN closed_at, DROP COLUMN closed_as;
