package eventlog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// batch is how many stored messages are asked for at once: some megabytes, far below what the connection buffers. With
// many in a batch the broker reads while they are handled here.
const batch = 2000

// remembered bounds how many ids a follower keeps: some ten megabytes.
const remembered = 200_000

// History calls each for every stored event about one order (about all when orderID is empty), oldest
// first, until each returns an error or the events that were there at the beginning are through.
func (s *Stream) History(ctx context.Context, orderID string, each func(Seen) error) error {
	_, err := s.from(ctx, ofOrder(orderID), 1, decoded(each))
	return err
}

// ErrNewStream means that the stream is not the one that was read before: it was lost and made again.
var ErrNewStream = errors.New("the stream was made anew")

// Since calls each for every stored event about any order from a sequence on, oldest first, and returns the sequence
// to go on with. Whoever remembers that misses nothing, however long the broker was away, and needs to hear nothing
// live.
func (s *Stream) Since(ctx context.Context, next uint64, each func(Seen) error) (uint64, error) {
	return s.from(ctx, events.StreamSubjects, next, decoded(each))
}

// Stored is [Stream.Since] for who decodes less than all of each message.
func (s *Stream) Stored(
	ctx context.Context, next uint64, each func(sequence uint64, message []byte) error,
) (uint64, error) {
	return s.from(ctx, events.StreamSubjects, next, func(sequence uint64, msg *nats.Msg) error {
		return each(sequence, msg.Data)
	})
}

// Same is [ErrNewStream] when the stream ends before what was read of it.
func (s *Stream) Same(ctx context.Context, next uint64) error {
	info, err := s.Info(ctx)
	if err == nil && info.Last+1 < next {
		return ErrNewStream
	}
	return err
}

// from reads what is stored from a sequence on, and returns the sequence to go on with.
func (s *Stream) from(ctx context.Context, subjects string, next uint64, each stored) (uint64, error) {
	for {
		last, more, err := natsadmin.Page(ctx, s.nc, subjects, next, batch, each)
		next = max(next, last+1)
		if err != nil || !more {
			return next, err
		}
	}
}

// stored gets one message after the other.
type stored func(sequence uint64, msg *nats.Msg) error

func decoded(each func(Seen) error) stored {
	return func(sequence uint64, msg *nats.Msg) error {
		event := seen(msg.Header.Get("Nats-Subject"), msg)
		event.Sequence = sequence
		return each(event)
	}
}

// Follow calls each for every event about one order (about all when orderID is empty): first those that
// are stored, when past is wanted, then those that come, each once, until each returns an error or ctx ends.
func (s *Stream) Follow(ctx context.Context, orderID string, past bool, each func(Seen) error) error {
	live, err := s.Listen(orderID) // before the history is read: nothing falls between the two
	if err != nil {
		return err
	}
	defer live.Stop() //nolint:errcheck // a closed connection has no subscription either
	known := map[string]bool{}
	once := func(event Seen) error {
		if known[event.Envelope.ID] && event.Problem == nil {
			return nil
		}
		if len(known) > remembered {
			clear(known) // a duplicate follows its first within minutes, so what is forgotten here is old
		}
		known[event.Envelope.ID] = true
		return each(event)
	}
	if past {
		if err := s.History(ctx, orderID, once); err != nil {
			return err
		}
	}
	for {
		event, err := live.Next(ctx)
		if err != nil {
			return err
		}
		if err := once(event); err != nil {
			return err
		}
	}
}
