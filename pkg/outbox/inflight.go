package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publish sends without waiting; the broker's answers come to onAck and onAckError.
func (r *relay) publish(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := r.failpoint(ctx, RelayTaken, nil); err != nil {
		return err
	}
	for _, row := range rows {
		about := Received{Key: row.Key.String()}
		if err := r.failpoint(ctx, RelayBeforePublish, []delivery{{Received: about}}); err != nil {
			return err
		}
		msg := r.message(row, row.MessageID)
		r.inFlight.start(msg, row.ID)
		if _, err := r.js.PublishMsgAsync(msg); err != nil {
			r.inFlight.cancel(msg)
			return fmt.Errorf("publish: %w", err)
		}
		if r.duplicate(RelayBeforePublish, about.Key) {
			_, _ = r.js.PublishMsgAsync(r.message(row, uuid.NewString()))
		}
	}
	return r.failpoint(ctx, RelayPublished, nil)
}

func (r *relay) message(row row, id string) *nats.Msg {
	header := nats.Header{jetstream.MsgIDHeader: []string{id}}
	if r.ContentType != "" {
		header.Set("Content-Type", r.ContentType)
	}
	return &nats.Msg{Subject: row.Subject, Data: row.Payload, Header: header}
}

// onAck runs on a goroutine of the client. That the stream had the message before is as good as any acknowledgement.
func (r *relay) onAck(msg *nats.Msg, a *jetstream.PubAck) {
	waiting, ours := r.inFlight.acknowledged(msg, a.Sequence)
	if !ours {
		return
	}
	r.Observe(Published, "", 1)
	if a.Duplicate {
		r.Observe(PublishDuplicates, "", 1)
	}
	if waiting >= window/2 {
		r.poke() // there is room for more
	}
}

// onAckError runs on a goroutine of the client. The row is published once more.
func (r *relay) onAckError(msg *nats.Msg, err error) {
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		r.suspect()
	}
	r.inFlight.failed(msg, err)
}

// inFlight holds the messages that are published and not marked yet. The broker's answers come on goroutines of their
// own; the relay collects them once a round.
type inFlight struct {
	mu     sync.Mutex
	flying map[*nats.Msg]flight // no answer yet
	acked  []ack                // acknowledged, and to be marked
	err    error                // an answer that was an error, since the last round
}

type flight struct {
	id    uuid.UUID
	since time.Time
}

type ack struct {
	id  uuid.UUID
	seq uint64
}

func newInFlight() *inFlight { return &inFlight{flying: make(map[*nats.Msg]flight)} }

func (f *inFlight) start(msg *nats.Msg, id uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying[msg] = flight{id, time.Now()}
}

func (f *inFlight) cancel(msg *nats.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flying, msg)
}

// acknowledged returns how many acknowledgements wait to be marked, and whether this one was still expected.
func (f *inFlight) acknowledged(msg *nats.Msg, seq uint64) (waiting int, expected bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	flight, expected := f.flying[msg]
	if expected {
		delete(f.flying, msg)
		f.acked = append(f.acked, ack{flight.id, seq})
	}
	return len(f.acked), expected
}

func (f *inFlight) failed(msg *nats.Msg, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, expected := f.flying[msg]; expected {
		delete(f.flying, msg)
		f.err = err
	}
}

// collect hands out the acknowledgements, and the ids of all rows that are in flight and must not be taken now. After
// an error it hands out nothing, once.
func (f *inFlight) collect() (acked []ack, busy []uuid.UUID, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		err, f.err = f.err, nil
		return nil, nil, fmt.Errorf("not acknowledged: %w", err)
	}
	busy = make([]uuid.UUID, 0, len(f.flying)+len(f.acked))
	for msg, flight := range f.flying {
		// The client answers every publication in the end, with a timeout at the latest. If it ever does not, the row
		// must not be kept from the next rounds for ever.
		if time.Since(flight.since) > 2*ackTime {
			delete(f.flying, msg)
			continue
		}
		busy = append(busy, flight.id)
	}
	for _, a := range f.acked {
		busy = append(busy, a.id)
	}
	acked, f.acked = f.acked, nil
	return acked, busy, nil
}

// keep takes back what could not be marked.
func (f *inFlight) keep(acked []ack) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = append(f.acked, acked...)
}

// forget drops everything: acknowledgements of another broker are worth nothing. The rows are published once more.
func (f *inFlight) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.flying)
	f.acked, f.err = nil, nil
}

func (f *inFlight) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.flying) == 0 && len(f.acked) == 0
}
