-- +goose Up

-- Mails are notification's. Processes of the release before may still run: from now on they claim no mail (that counts
-- attempts), but mark those that they are sending. What waits is handed over by the service; see handover.go.
REVOKE UPDATE ON mail FROM "order";
GRANT UPDATE (sent_at, refused_at, problem, next_attempt_at) ON mail TO "order";

-- +goose Down
GRANT UPDATE ON mail TO "order";
