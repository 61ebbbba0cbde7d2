-- +goose Up

-- How the money came back is not why the order was cancelled, or the card declined: that stays the reason.
ALTER TABLE payment ADD COLUMN returned_by text CHECK (returned_by IN ('refund', 'settlement'));

UPDATE payment SET returned_by = CASE state WHEN 'SETTLED' THEN 'settlement' ELSE 'refund' END WHERE returned_amount > 0;

-- +goose Down
ALTER TABLE payment DROP COLUMN returned_by;
