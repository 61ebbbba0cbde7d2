package verify

import (
	"context"
	"fmt"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// messages is what the stream and the logs held when they were looked at.
type messages struct {
	ids     map[string]bool // of every event
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
	m := &messages{ids: map[string]bool{}}
	suspicious := suspicion(l.system, l.options.Secrets)
	err := l.stream.History(ctx, "", func(seen eventlog.Seen) error {
		m.ids[seen.Envelope.ID] = true
		if what := suspicious(seen.Raw); what != "" {
			m.secrets = append(m.secrets, Offender{fmt.Sprintf("message %d", seen.Sequence), "holds " + what})
		}
		return nil
	})
	l.messages = m
	return err
}

// replayed is how far back a published row must still be in the stream, an hour less than the stream
// keeps messages, so that one which is just being forgotten is no offence.
const replayed = 23 * time.Hour

// everythingPublished compares the outboxes with the stream. A row that is marked as published but is not there
// is what a broker that lost its memory leaves behind.
func everythingPublished(ctx context.Context, l *look) ([]Offender, error) {
	var found []Offender
	for _, service := range events.Consumers {
		rows, err := query[struct {
			ID, Type  string
			Published bool
		}](ctx, l, service, `
			SELECT id::text, type, published_at IS NOT NULL FROM outbox
			WHERE published_at > now() - $1::interval
			   OR published_at IS NULL AND created_at < now() - interval '5 seconds'`, replayed)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			switch {
			case !row.Published:
				found = append(found, Offender{row.ID, row.Type + " was not published within 5 s"})
			case !l.messages.ids[row.ID]:
				found = append(found, Offender{row.ID, row.Type + " was published and is not in the stream"})
			}
		}
	}
	return found, nil
}

func nothingPending(_ context.Context, l *look) ([]Offender, error) {
	return each(keyed(l.backlog), func(_ string, b eventlog.Backlog) string {
		if b.Pending+b.Unacknowledged == 0 {
			return ""
		}
		return fmt.Sprintf("%d messages not delivered, %d not acknowledged", b.Pending, b.Unacknowledged)
	}), nil
}

func keyed(backlog map[events.Service]eventlog.Backlog) map[string]eventlog.Backlog {
	m := map[string]eventlog.Backlog{}
	for service, b := range backlog {
		m[string(service)] = b
	}
	return m
}
