package lostcommits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// record is what the broker keeps about a service's database.
type record struct {
	Identity
	// Last are the last heartbeats, oldest first.
	Last []checkpoint `json:"last"`
}

// checkpoint is how far the service was at a heartbeat.
type checkpoint struct {
	Heartbeats int64 `json:"heartbeats"`
	// Floor is the last sequence of the stream up to which the service had handled everything, before the heartbeat.
	Floor uint64 `json:"floor"`
	// Created is when the stream was made: the sequences of another one mean nothing.
	Created time.Time `json:"created"`
}

const (
	// kept is how many heartbeats are remembered: those of ten minutes, and one of so many before.
	kept = 60
	// oldest is how many heartbeats ago the first one of these was, as long as the stream keeps events. A database that is
	// farther behind has all of the stream read.
	oldest = int64(outbox.Retention / beatEvery)
)

// from is the first sequence of the stream that a database may lack which has had so many heartbeats.
func (r record) from(heartbeats int64, created time.Time) uint64 {
	for _, s := range slices.Backward(r.Last) {
		if s.Heartbeats <= heartbeats && s.Created.Equal(created) {
			return s.Floor + 1
		}
	}
	return 1
}

// with adds a heartbeat.
func (r record) with(now Identity, handled checkpoint) record {
	if now.differs(r.Identity) != "" {
		r.Last = nil // what is known of another database is worth nothing
	}
	last := slices.DeleteFunc(append(slices.Clone(r.Last), handled), func(s checkpoint) bool {
		ago := now.Heartbeats - s.Heartbeats
		return ago > oldest || ago >= kept && s.Heartbeats%kept != 0
	})
	return record{now, last}
}

// bucket of the broker is where the records are.
type bucket struct {
	js      jetstream.JetStream
	service events.Service
}

// load reads the record; found is false where there is none.
func (s bucket) load(ctx context.Context) (r record, found bool, err error) {
	kv, err := s.js.KeyValue(ctx, natsadmin.Databases)
	if err != nil {
		return r, false, fmt.Errorf("open the bucket %s: %w", natsadmin.Databases, err)
	}
	entry, err := kv.Get(ctx, string(s.service))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value(), &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("read which database it was: %w", err)
	}
	return r, true, nil
}

func (s bucket) store(ctx context.Context, r record) error {
	kv, err := s.js.KeyValue(ctx, natsadmin.Databases)
	if err != nil {
		return fmt.Errorf("open the bucket %s: %w", natsadmin.Databases, err)
	}
	text, err := json.Marshal(r)
	if err == nil {
		_, err = kv.Put(ctx, string(s.service), text)
	}
	if err != nil {
		return fmt.Errorf("keep which database this is: %w", err)
	}
	return nil
}

// checkpoint asks the broker how far the service's consumer is. Where nothing waits for it that is the end of the
// stream, whosever its last events are: the acknowledged ones among them may be older than the stream keeps any.
func (s bucket) checkpoint(ctx context.Context) (checkpoint, error) {
	stream, err := s.js.Stream(ctx, events.Stream)
	if err != nil {
		return checkpoint{}, fmt.Errorf("look at the stream: %w", err)
	}
	consumer, err := stream.Consumer(ctx, string(s.service)) // asked later, so that it knows of all that the stream had
	if err != nil {
		return checkpoint{}, fmt.Errorf("look at the consumer: %w", err)
	}
	end, info := stream.CachedInfo(), consumer.CachedInfo()
	now := checkpoint{Floor: info.AckFloor.Stream, Created: end.Created}
	if info.NumPending == 0 && info.NumAckPending == 0 {
		now.Floor = max(now.Floor, end.State.LastSeq)
	}
	return now, nil
}
