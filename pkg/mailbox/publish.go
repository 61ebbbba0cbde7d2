package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

// row is what the relay needs of an outbox row.
type row struct {
	ID, OrderID uuid.UUID
	Subject     string
	Payload     []byte
	MessageID   string
	Again       bool
}

// markAndTake is one round trip and one commit for both. The rows are marked by their very ids, and only
// while the stream is the one that acknowledged them; what is taken is whatever is unpublished and not under
// way, never "what comes after the last": a transaction that began earlier may commit later. What was never
// published comes before what is published again.
func (r *relay) markAndTake(ctx context.Context, acked []ack, busy []uuid.UUID, room int) ([]row, error) {
	batch := &pgx.Batch{}
	if len(acked) > 0 {
		if err := r.faults.At(ctx, failpoint.RelayAcknowledged); err != nil {
			return nil, err
		}
		ids, seqs := make([]uuid.UUID, len(acked)), make([]int64, len(acked))
		for i, a := range acked {
			ids[i], seqs[i] = a.id, int64(a.seq)
		}
		batch.Queue(`
			WITH same AS (SELECT FROM broker WHERE stream_created = $3 FOR SHARE)
			UPDATE outbox SET published_at = now(), stream_seq = ack.seq
			FROM unnest($1::uuid[], $2::bigint[]) AS ack (id, seq)
			WHERE outbox.id = ack.id AND EXISTS (SELECT FROM same)`, ids, seqs, r.broker.created)
	}
	batch.Queue(`
		WITH fresh AS (
			SELECT * FROM outbox WHERE published_at IS NULL AND NOT again AND id <> ALL($1::uuid[])
			ORDER BY position LIMIT $2),
		repeated AS (
			SELECT * FROM outbox WHERE published_at IS NULL AND again AND id <> ALL($1::uuid[])
			ORDER BY position DESC LIMIT least($3, $2 - (SELECT count(*) FROM fresh)))
		SELECT id, order_id, subject, payload, COALESCE(message_id, id::text), again
		FROM (SELECT * FROM fresh UNION ALL SELECT * FROM repeated) AS due ORDER BY again, position`,
		busy, room, r.roomAgain(ctx, room))
	taken, err := r.send(ctx, batch, len(acked))
	if err == nil {
		r.again.took(taken, room)
	}
	return taken, err
}

func (r *relay) send(ctx context.Context, batch *pgx.Batch, marks int) (taken []row, err error) {
	results := r.pool.SendBatch(ctx, batch)
	defer func() {
		err = errors.Join(err, results.Close()) // commits
		if err == nil && marks > 0 {
			err = r.faults.At(ctx, failpoint.RelayMarked)
		}
	}()
	if marks > 0 {
		tag, err := results.Exec()
		if err != nil {
			return nil, fmt.Errorf("mark what was published: %w", err)
		}
		if int(tag.RowsAffected()) < marks {
			r.suspect() // somebody else has met another stream than ours
		}
	}
	found, err := results.Query()
	if err != nil {
		return nil, fmt.Errorf("take from the outbox: %w", err)
	}
	taken, err = pgx.CollectRows(found, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, fmt.Errorf("take from the outbox: %w", err)
	}
	return taken, nil
}

// publish sends without waiting; the answers come to landed and lost.
func (r *relay) publish(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := r.faults.At(ctx, failpoint.RelayTaken); err != nil {
		return err
	}
	for _, row := range rows {
		if err := r.faults.At(ctx, failpoint.RelayBeforePublish, row.OrderID.String()); err != nil {
			return err
		}
		msg := row.message(row.MessageID)
		r.flights.start(msg, row.ID)
		if _, err := r.js.PublishMsgAsync(msg); err != nil {
			r.flights.cancel(msg)
			return fmt.Errorf("publish: %w", err)
		}
		if r.faults.Duplicate(failpoint.RelayBeforePublish, row.OrderID.String()) {
			_, _ = r.js.PublishMsgAsync(row.message(uuid.NewString()))
		}
	}
	return r.faults.At(ctx, failpoint.RelayPublished)
}

func (o row) message(id string) *nats.Msg {
	return &nats.Msg{Subject: o.Subject, Data: o.Payload, Header: nats.Header{
		jetstream.MsgIDHeader: []string{id},
		"Content-Type":        []string{events.ContentType},
	}}
}
