package lostcommits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/idset"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// Rebuild has a service do again what its database has lost. Ids are derived, so what was published has the same id
// when it is published once more.
//
// First come the events that the service itself has published, in their order: the event that has caused one is
// handled again, so that the last unit goes to the order which was promised it, and not to one that came meanwhile.
// What no event has caused is restored from the event itself. Then come the events that led to nothing that is known.
type Rebuild struct {
	Service events.Service
	NATS    *nats.Conn
	Outbox  *messaging.Outbox
	// Restore stores what an event is about that no other event has caused; nil: there are none.
	Restore func(ctx context.Context, tx pgx.Tx, e events.Envelope, event events.Event) error
	Log     *slog.Logger
}

// missing is a message of the stream that the database knows nothing of.
type missing struct {
	sequence uint64
	address  string // its subject at the broker
	payload  []byte
	events.Envelope
}

// lost is all of that.
type lost struct {
	published []missing
	ids       map[string]bool    // of what was published
	handled   map[string]missing // by the ids of the events
}

// errGone means that the stream does not go back far enough.
var errGone = errors.New("the stream does not have the events any more that the database lacks: a person has to decide")

// Run does it. It may be interrupted, and be run by several processes at once.
func (r Rebuild) Run(ctx context.Context, pool *pgxpool.Pool, from uint64) error {
	if err := r.reaches(ctx, from); err != nil {
		return err
	}
	lacks, err := r.read(ctx, pool, from)
	if err != nil {
		return err
	}
	handled, published := len(lacks.handled), len(lacks.published)
	for _, m := range lacks.published {
		if err := r.restore(ctx, pool, m, lacks); err != nil {
			return fmt.Errorf("restore %s of order %s: %w", m.Type, m.Subject, err)
		}
	}
	for _, m := range inOrder(slices.Collect(maps.Values(lacks.handled))) {
		if err := r.handle(ctx, pool, m); err != nil {
			return fmt.Errorf("handle %s of order %s again: %w", m.Type, m.Subject, err)
		}
	}
	r.Log.WarnContext(ctx, "made up for lost commits", "from", from, "handled", handled, "published", published)
	return nil
}

// reaches refuses a stream that has dropped what the database may lack.
func (r Rebuild) reaches(ctx context.Context, from uint64) error {
	js, err := jetstream.New(r.NATS)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, events.Stream)
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	if first := stream.CachedInfo().State.FirstSeq; first > from {
		return fmt.Errorf("%w (it begins at %d, and is needed from %d on)", errGone, first, from)
	}
	return nil
}

// pageSize is how many messages are read at once.
const pageSize = 500

// read finds what the database lacks.
func (r Rebuild) read(ctx context.Context, pool *pgxpool.Pool, from uint64) (lost, error) {
	lacks := lost{ids: map[string]bool{}, handled: map[string]missing{}}
	for more := true; more; {
		var page []missing
		last, others, err := natsadmin.Page(ctx, r.NATS, events.StreamSubjects, from, pageSize,
			func(sequence uint64, msg *nats.Msg) error {
				m := missing{sequence: sequence, address: msg.Header.Get("Nats-Subject"), payload: slices.Clone(msg.Data)}
				var err error
				if m.Envelope, _, err = events.Open(m.payload); err == nil && !messaging.Translated(m.Envelope) {
					page = append(page, m)
				}
				return nil
			})
		if err != nil {
			return lacks, err
		}
		if err := r.sort(ctx, pool, page, &lacks); err != nil {
			return lacks, err
		}
		from, more = last+1, others
	}
	return lacks, nil
}

// sort adds what the database lacks of a page.
func (r Rebuild) sort(ctx context.Context, pool *pgxpool.Pool, page []missing, lacks *lost) error {
	var published, handled []string
	for _, m := range page {
		switch typ, _ := events.ParseType(m.Type); {
		case typ.Service == r.Service:
			published = append(published, m.ID)
		case slices.Contains(events.Subscriptions[r.Service], typ):
			handled = append(handled, m.ID)
		}
	}
	unpublished, err := without(ctx, pool, `SELECT FROM outbox_message WHERE id = wanted`, published)
	if err != nil {
		return err
	}
	unhandled, err := without(ctx, pool, `SELECT FROM inbox WHERE event_id = wanted
		UNION ALL SELECT FROM dead_letter WHERE event_id = wanted::text`, handled)
	if err != nil {
		return err
	}
	for _, m := range page {
		if unpublished[m.ID] {
			lacks.published, lacks.ids[m.ID] = append(lacks.published, m), true
			delete(unpublished, m.ID) // it may stand in the stream twice
		}
		if unhandled[m.ID] {
			lacks.handled[m.ID] = m
		}
	}
	return nil
}

// without are the ids of which a query finds no row.
func without(ctx context.Context, pool *pgxpool.Pool, rows string, ids []string) (map[string]bool, error) {
	list, err := pool.Query(ctx, `
		SELECT wanted::text FROM unnest($1::uuid[]) AS event (wanted) WHERE NOT EXISTS (`+rows+`)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look for what the database lacks: %w", err)
	}
	found, err := pgx.CollectRows(list, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for what the database lacks: %w", err)
	}
	missing := make(map[string]bool, len(found))
	for _, id := range found {
		missing[id] = true
	}
	return missing, nil
}

// restore has one published event be true again. Where the event that has caused it leads to something else now, nobody
// could take back what was published: that stands, and a person has to look.
func (r Rebuild) restore(ctx context.Context, pool *pgxpool.Pool, m missing, lacks lost) error {
	event, err := m.Event()
	if err != nil {
		return err
	}
	cause, again := lacks.handled[m.CausationID]
	if again {
		delete(lacks.handled, cause.ID)
		return r.restoreByCause(ctx, pool, m, cause, event, lacks)
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if m.CausationID == "" && r.Restore != nil {
			if err := r.Restore(ctx, tx, m.Envelope, event); err != nil {
				return err
			}
		}
		return keep(ctx, tx, m, event)
	})
}

// restoreByCause handles the event again that has caused a published one. Where that is not enough, what came before
// may make the difference: those about the same order are handled first.
func (r Rebuild) restoreByCause(ctx context.Context, pool *pgxpool.Pool, m, cause missing, event events.Event,
	lacks lost) error {
	var away bool
	var err error
	for _, earlier := range []func(missing) []missing{func(missing) []missing { return nil }, lacks.before} {
		list := append(earlier(cause), cause)
		away, err = try(ctx, pool, func(tx pgx.Tx) error {
			if err := r.again(ctx, tx, list, lacks.ids); err != nil {
				return err
			}
			return keep(ctx, tx, m, event)
		})
		switch {
		case err == nil:
			for _, done := range list {
				delete(lacks.handled, done.ID)
			}
			return nil
		case away:
			return err
		}
	}
	why := err
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := r.differs(ctx, tx, cause, m, why); err != nil {
			return err
		}
		return keep(ctx, tx, m, event)
	})
}

// before are the events about the same order that are to be handled again, and come earlier in the stream.
func (l lost) before(cause missing) (earlier []missing) {
	for _, m := range l.handled {
		if m.Subject == cause.Subject && m.sequence < cause.sequence {
			earlier = append(earlier, m)
		}
	}
	return inOrder(earlier)
}

func inOrder(list []missing) []missing {
	slices.SortFunc(list, func(a, b missing) int { return cmp.Compare(a.sequence, b.sequence) })
	return list
}

// try runs a transaction, a few times since a lock or a deadlock passes. Away: the database cannot be reached.
func try(ctx context.Context, pool *pgxpool.Pool, do func(tx pgx.Tx) error) (away bool, err error) {
	for range 3 {
		if err = pgx.BeginFunc(ctx, pool, do); err == nil || errors.Is(err, errOtherwise) {
			return false, err
		}
		if pool.Ping(ctx) != nil {
			return true, err
		}
	}
	return false, err
}

// errOtherwise is about a step that has published something else than the first time.
var errOtherwise = errors.New("it was decided otherwise")

// again handles events of one order once more, and fails where something is to be published then that is not known.
func (r Rebuild) again(ctx context.Context, tx pgx.Tx, list []missing, known map[string]bool) error {
	orderID := list[0].Subject
	before, err := due(ctx, tx, orderID)
	if err != nil {
		return err
	}
	for _, m := range list {
		if _, err := r.Outbox.Redeliver(ctx, tx, m.payload); err != nil {
			return err
		}
	}
	after, err := due(ctx, tx, orderID)
	for id := range after {
		if !before[id] && !known[id] {
			return errOtherwise
		}
	}
	return err
}

// due are the events of an order that are to be published.
func due(ctx context.Context, tx pgx.Tx, orderID string) (map[string]bool, error) {
	return idset.Query(ctx, tx, `
		SELECT id::text FROM outbox_message JOIN outbox_due USING (id) WHERE key = $1`, orderID)
}

// differs takes an event as handled that leads to something else than what was published, and has a person look.
func (r Rebuild) differs(ctx context.Context, tx pgx.Tx, cause, m missing, why error) error {
	_, err := tx.Exec(ctx, `INSERT INTO inbox (event_id, type, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		cause.ID, cause.Type, cause.Subject)
	if err != nil {
		return fmt.Errorf("take an event as handled: %w", err)
	}
	r.Log.ErrorContext(ctx, "what was published cannot be made true again", "order_id", m.Subject,
		"event", m.Type, "error", why)
	_, err = incident.Open(ctx, tx, r.Service, m.Subject, incident.KindLostCommits,
		fmt.Sprintf("the database has lost commits, and %s was published before: %v", m.Type, why))
	return err
}

// handle handles an event that has led to nothing that is known. One that cannot be handled is a dead letter.
func (r Rebuild) handle(ctx context.Context, pool *pgxpool.Pool, m missing) error {
	away, err := try(ctx, pool, func(tx pgx.Tx) error {
		_, err := r.Outbox.Redeliver(ctx, tx, m.payload)
		return err
	})
	if err == nil || away {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		return r.Outbox.DeadLetter(ctx, tx, m.address, m.payload, err)
	})
}

// keep has a message of the stream stand in the outbox as one that is published, whose row may be new, or have been
// written just now. Of an incident it keeps the row as well.
func keep(ctx context.Context, tx pgx.Tx, m missing, event events.Event) error {
	rows := &pgx.Batch{}
	rows.Queue(`
		INSERT INTO outbox_message (id, key, type, subject, payload, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO NOTHING`, m.ID, m.Subject, m.Type, m.address, m.payload, m.Time)
	rows.Queue(`DELETE FROM outbox_due WHERE id = $1`, m.ID)
	// Where the relay has met no broker yet the mark is that of no stream: at worst the event is published once more.
	rows.Queue(`
		INSERT INTO outbox_mark (id, stream_created, stream_seq)
		VALUES ($1, coalesce((SELECT stream_created FROM broker), '-infinity'), $2) ON CONFLICT DO NOTHING`,
		m.ID, int64(m.sequence)) //nolint:gosec // a sequence fits
	switch i := event.(type) {
	case events.IncidentOpened:
		rows.Queue(`
			INSERT INTO incident (id, order_id, kind, reason, opened_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`,
			i.IncidentID, i.OrderID, i.Kind, i.Reason, m.Time)
	case events.IncidentResolved:
		rows.Queue(`
			UPDATE incident SET resolved_at = $2, resolution = $3 WHERE id = $1 AND resolved_at IS NULL`,
			i.IncidentID, m.Time, i.Resolution)
	}
	return tx.SendBatch(ctx, rows).Close()
}
