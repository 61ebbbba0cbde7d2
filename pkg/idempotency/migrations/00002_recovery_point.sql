-- +goose Up

-- How far a request has come whose work spans transactions. Whoever takes it over goes on from there:
--
--     started          nothing is known of the outcome: the outside world has to be asked, perhaps again
--     gateway_called   the outcome is stored, and only the answer to the client is missing
--     finished         the answer is stored
ALTER TABLE idempotency_key
    ADD COLUMN recovery_point text NOT NULL DEFAULT 'finished' CHECK (recovery_point IN ('started', 'gateway_called', 'finished')),
    ADD CONSTRAINT only_what_is_finished_is_answered CHECK ((recovery_point = 'finished') = (status IS NOT NULL));

-- +goose Down
ALTER TABLE idempotency_key DROP COLUMN recovery_point;
