-- +goose Up

-- How often this database was looked at. The broker keeps the number, too: a smaller one here means that commits are lost.
CREATE TABLE database_look (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    n   bigint  NOT NULL
);
INSERT INTO database_look (n) VALUES (0);

-- +goose Down
DROP TABLE database_look;
