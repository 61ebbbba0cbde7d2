-- +goose Up

-- Heartbeats of the service in this database. The broker keeps the number, too: a smaller one here means that commits are lost.
CREATE TABLE database_heartbeat (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    n   bigint  NOT NULL
);
INSERT INTO database_heartbeat (n) VALUES (0);

-- +goose Down
DROP TABLE database_heartbeat;
