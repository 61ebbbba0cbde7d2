package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// row is what the relay needs of a row that is due.
type row struct {
	Republish bool
	Position  int64
	Key       uuid.UUID
	Subject   string
	Payload   []byte
	MessageID string
	ID, Type  string
	Trace     string // the traceparent
	CreatedAt time.Time
}

// publish sends without waiting for the broker's answers.
func (r *relay) publish(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := r.failpoint(ctx, RelayTaken, nil); err != nil {
		return err
	}
	for _, row := range rows {
		key := row.Key.String()
		passing := delivery{Delivery: Delivery{Received: Received{Key: key}}}
		if err := r.failpoint(ctx, RelayBeforePublish, []delivery{passing}); err != nil {
			return err
		}
		ack, err := r.js.PublishMsgAsync(r.message(row, row.MessageID))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		r.inFlight = append(r.inFlight, flight{row: row, since: time.Now(), ack: ack})
		if r.duplicate(RelayBeforePublish, key) {
			_, _ = r.js.PublishMsgAsync(r.message(row, uuid.NewString()))
		}
	}
	return r.failpoint(ctx, RelayPublished, nil)
}

func (r *relay) message(row row, id string) *nats.Msg {
	header := nats.Header{jetstream.MsgIDHeader: {id}}
	if r.ContentType != "" {
		header.Set("Content-Type", r.ContentType)
	}
	if row.Trace != "" {
		header.Set("traceparent", row.Trace)
	}
	return &nats.Msg{Subject: row.Subject, Data: row.Payload, Header: header}
}

// flight is a message that is published and not marked yet.
type flight struct {
	row
	since   time.Time
	ack     jetstream.PubAckFuture
	seq     int64 // in the stream, once the broker has acknowledged it; zero before
	refused bool  // its row is published once more
}

// collect reads the answers of the broker. That the stream had the message before is as good as any acknowledgement.
// The error is one of the refusals: the next round comes after a pause then.
func (r *relay) collect() (err error) {
	r.acks.Store(0)
	for i := range r.inFlight {
		f := &r.inFlight[i]
		select {
		case ack := <-f.ack.Ok():
			f.seq = int64(ack.Sequence)
			r.Observe(Published, "", 1)
			r.traceAck(f)
			if ack.Duplicate {
				r.Observe(PublishDuplicates, "", 1)
			}
		case refusal := <-f.ack.Err():
			f.refused = true
			err = fmt.Errorf("not acknowledged: %w", refusal)
			if errors.Is(refusal, jetstream.ErrNoStreamResponse) {
				r.recovery.Suspect()
			}
		default:
			// The client answers with a timeout at the latest. If it ever does not, the row must not wait for ever.
			f.refused = f.seq == 0 && time.Since(f.since) > 2*ackTime
		}
	}
	r.inFlight = slices.DeleteFunc(r.inFlight, func(f flight) bool { return f.refused })
	return err
}
