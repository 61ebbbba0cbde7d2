-- The row of an order is written once and never changes; its primary key is the fence.
CREATE TABLE IF NOT EXISTS shipment (
    order_id uuid PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('CREATED', 'FAILED', 'FENCED')),
    shipment_id text UNIQUE,
    reason text,
    parcel jsonb, -- the order as it was paid; none where it was fenced
    created_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE IF NOT EXISTS inbox (
    event_id uuid PRIMARY KEY, type text NOT NULL, key uuid NOT NULL, received_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE IF NOT EXISTS outbox (
    id uuid PRIMARY KEY, position bigint GENERATED ALWAYS AS IDENTITY, key uuid NOT NULL, type text NOT NULL,
    subject text NOT NULL, payload text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz);
CREATE INDEX IF NOT EXISTS outbox_unpublished ON outbox (position) WHERE published_at IS NULL;

CREATE TABLE IF NOT EXISTS dead_letter (
    id bigint PRIMARY KEY, key text NOT NULL, payload bytea NOT NULL, reason text NOT NULL, closed_at timestamptz);

-- The rest is for sagactl verify alone.
CREATE OR REPLACE VIEW outbox_message AS SELECT id, key, type, created_at FROM outbox;
CREATE OR REPLACE VIEW outbox_due AS SELECT id, false AS republish FROM outbox WHERE published_at IS NULL;
CREATE TABLE IF NOT EXISTS broker (met_at timestamptz);
CREATE TABLE IF NOT EXISTS incident (order_id uuid, kind text, resolved_at timestamptz);
