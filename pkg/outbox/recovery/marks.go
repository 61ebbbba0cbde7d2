package recovery

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/outbox/ownership"
)

const (
	// ackLossWindow is what a restart may have taken: three times the broker's sync interval, counted back from the last
	// mark, since the mark itself comes up to a quarter of a second after the acknowledgement.
	ackLossWindow = 3 * SyncInterval
	// markedLast is how many of the last marks are looked at for the highest sequence number: four windows of the relay,
	// since one round marks its rows in any order.
	markedLast = 1024
)

// Acked are messages that the broker has acknowledged: their rows in outbox_due, and their sequences in the stream.
type Acked struct {
	Republish       []bool
	Positions, Seqs []int64
	IDs             []string // a position is used again in a database that has lost commits
}

// Mark marks messages as published: those rows that are still ours, and only while nobody has found another broker
// than the one that acknowledged them. Two relays that mark the same rows lock them in the same order.
func (r *Recovery) Mark(batch *pgx.Batch, a Acked) {
	batch.Queue(`
		WITH same AS (SELECT FROM broker WHERE stream_created = $4 AND met_at = $5 FOR SHARE),
		acked AS (
			DELETE FROM outbox_due AS due
			USING (SELECT * FROM unnest($1::boolean[], $2::bigint[], $3::bigint[], $7::uuid[])
				AS ack (republish, position, seq, id) ORDER BY position) AS ack
			WHERE (due.owner, due.republish, due.position) = ($6, ack.republish, ack.position) AND due.id = ack.id
			  AND EXISTS (SELECT FROM same)
			RETURNING due.id, ack.seq)
		INSERT INTO outbox_mark (id, stream_created, stream_seq) SELECT id, $4, seq FROM acked`,
		a.Republish, a.Positions, a.Seqs, r.known.created, r.known.met, ownership.Process, a.IDs).
		Exec(func(tag pgconn.CommandTag) error {
			if int(tag.RowsAffected()) < len(a.Seqs) {
				r.Suspect() // another replica has found another broker than ours, or has taken the rows over
			}
			return nil
		})
}

func highestMark(ctx context.Context, pool *pgxpool.Pool) (highest uint64, err error) {
	err = pool.QueryRow(ctx, `
		SELECT COALESCE(max(stream_seq), 0)
		FROM (SELECT stream_seq FROM outbox_mark ORDER BY published_at DESC LIMIT $1) AS marked`, markedLast).Scan(&highest)
	if err != nil {
		return 0, fmt.Errorf("look for the last published row: %w", err)
	}
	return highest, nil
}

// unmarkLost removes the marks of what the broker may have lost.
func unmarkLost(ctx context.Context, tx pgx.Tx, was, now state) (why string, n int64, err error) {
	if !was.created.Equal(now.created) {
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval`, Retention)
		return "new_stream", n, err
	}
	if now.last < now.highest {
		why = "shorter_stream"
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval AND stream_seq > $3`, Retention, int64(now.last))
	}
	if err != nil || was.server == now.server {
		return why, n, err
	}
	// Others may have published since, so that the stream is as long as before although it has lost some.
	if why == "" {
		why = "new_server"
	}
	last := `(SELECT max(published_at) FROM outbox_mark)`
	more, err := unmark(ctx, tx, `published_at > `+last+` - $1::interval`, ackLossWindow)
	return why, n + more, err
}

func unmark(ctx context.Context, tx pgx.Tx, which string, age time.Duration, more ...any) (int64, error) {
	tag, err := tx.Exec(ctx, `
		WITH lost AS (DELETE FROM outbox_mark WHERE `+which+` RETURNING id)
		INSERT INTO outbox_due (owner, republish, position, id)
		SELECT $2, true, position, id FROM outbox_message JOIN lost USING (id)`,
		append([]any{age, ownership.Process}, more...)...)
	if err != nil {
		return 0, fmt.Errorf("remove marks: %w", err)
	}
	return tag.RowsAffected(), nil
}
