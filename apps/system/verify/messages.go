package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// messages is what the stream and the logs held when they were looked at.
type messages struct {
	ids     []uuid.UUID // of every event, sorted
	secrets []Offender
}

// readBacklog asks the broker how far each consumer is. A check that is not one at rest does without an answer.
func (l *look) readBacklog(ctx context.Context) error {
	if l.stream == nil {
		return nil
	}
	backlog := map[events.Service]eventlog.Backlog{}
	for _, service := range events.Consumers {
		b, err := l.stream.Backlog(ctx, service)
		if err != nil && l.options.AtRest {
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // the report has that the broker did not answer
		}
		backlog[service] = b
	}
	l.backlog = backlog
	return nil
}

// readMessages reads the whole stream once, for all the invariants that want to know about it.
func (l *look) readMessages(ctx context.Context) error {
	if !l.options.AtRest {
		return nil
	}
	m := &messages{}
	suspicious := suspicion(l.system, l.options.Secrets)
	err := l.stream.History(ctx, "", func(seen eventlog.Seen) error {
		if id, err := uuid.Parse(seen.Envelope.ID); err == nil { // no row of an outbox has another
			m.ids = append(m.ids, id)
		}
		l.progress("messages of the stream read: %d", len(m.ids))
		if what := suspicious(seen.Raw); what != "" {
			m.secrets = append(m.secrets, Offender{fmt.Sprintf("message %d", seen.Sequence), "holds " + what})
		}
		return nil
	})
	slices.SortFunc(m.ids, compareIDs)
	m.ids = slices.Compact(m.ids)
	l.messages, l.counted.Messages = m, len(m.ids)
	return err
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// has reports whether the stream has an event.
func (m *messages) has(id uuid.UUID) bool {
	_, found := slices.BinarySearchFunc(m.ids, id, compareIDs)
	return found
}

// replayed is how far back a published row must still be in the stream, an hour less than the stream
// keeps messages, so that one which is just being forgotten is no offence.
const replayed = 23 * time.Hour

// everythingPublished compares the outboxes with the stream. A row that is marked as published but is not there
// is what a broker that lost its memory leaves behind.
func everythingPublished(ctx context.Context, l *look) (found []Offender, err error) {
	for _, service := range events.Consumers {
		rows, err := l.tx[service].Query(ctx, `
			SELECT id, type, published_at IS NOT NULL FROM outbox
			WHERE published_at > now() - $1::interval
			   OR published_at IS NULL AND created_at < now() - interval '5 seconds'`, replayed)
		if err != nil {
			return nil, fmt.Errorf("read the %s database: %w", service, err)
		}
		var id uuid.UUID
		var what string
		var published bool
		_, err = pgx.ForEachRow(rows, []any{&id, &what, &published}, func() error {
			switch {
			case !published:
				found = append(found, Offender{id.String(), what + " was not published within 5 s"})
			case !l.messages.has(id):
				found = append(found, Offender{id.String(), what + " was published and is not in the stream"})
			}
			return nil
		})
		if err = errors.Join(err, rows.Err()); err != nil {
			return nil, fmt.Errorf("read the %s database: %w", service, err)
		}
	}
	return found, nil
}

func nothingPending(_ context.Context, l *look) (found []Offender, _ error) {
	for service, b := range l.backlog {
		if b.Pending+b.Unacknowledged > 0 {
			found = append(found, Offender{string(service),
				fmt.Sprintf("%d messages not delivered, %d not acknowledged", b.Pending, b.Unacknowledged)})
		}
	}
	return found, nil
}
