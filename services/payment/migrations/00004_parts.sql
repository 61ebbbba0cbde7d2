-- +goose Up

-- A charge may be returned in parts, by us or by hand at the gateway. Each part is a posting in the ledger; the row has
-- the sums. refund_amount is what the present request asks for, under the key of its refund_number.
ALTER TABLE payment
    ADD COLUMN captured_amount bigint CHECK (captured_amount > 0), -- NULL: nothing was captured
    ADD COLUMN returned_amount bigint NOT NULL DEFAULT 0 CHECK (returned_amount >= 0);

UPDATE payment p SET captured_amount = moved.captured, returned_amount = moved.returned
FROM (
    SELECT merchant_reference, sum(amount) FILTER (WHERE kind = 'charge') AS captured,
           coalesce(-sum(amount) FILTER (WHERE kind = 'refund'), 0)
               + coalesce(-sum(amount) FILTER (WHERE kind = 'settlement'), 0) AS returned
    FROM ledger_entry WHERE account IN ('gateway', 'manual_settlement')
    GROUP BY merchant_reference
) AS moved
WHERE moved.merchant_reference = coalesce('direct:' || p.direct_reference, p.order_id::text);

ALTER TABLE payment
    ADD CONSTRAINT no_more_is_returned_than_was_captured CHECK (returned_amount <= coalesce(captured_amount, 0)),
    ADD CONSTRAINT an_order_is_refunded_in_full CHECK (
        state NOT IN ('REFUNDED', 'SETTLED') OR direct_reference IS NOT NULL OR returned_amount = captured_amount);

-- +goose Down
ALTER TABLE payment DROP COLUMN captured_amount, DROP COLUMN returned_amount;
