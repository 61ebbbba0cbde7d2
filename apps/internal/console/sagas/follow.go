package sagas

import (
	"context"
	"errors"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/loop"
)

const (
	// watched is how often the stream is read while a page is open: an event is on the screen before anybody wonders.
	watched = 40 * time.Millisecond
	// unwatched is how often otherwise: a console without a page costs next to nothing, and the next page is soon
	// up to date.
	unwatched = 5 * time.Second
)

// Run keeps the board current until ctx ends. While the broker is away the board shows what it knew.
func (b *Board) Run(ctx context.Context) error {
	return loop.New("board", b.log, time.Second, nil, b.follow)(ctx)
}

// follow reads the stream until ctx ends or an error occurs.
func (b *Board) follow(ctx context.Context) error {
	defer b.setCurrent(false)
	stream, err := eventlog.Open(b.nats)
	if err != nil {
		return err
	}
	defer stream.Close()
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	for next, checked := b.begin(info), time.Now(); ; {
		if next, err = stream.Stored(ctx, next, b.add); err != nil {
			return err
		}
		b.setCurrent(true)
		if time.Since(checked) >= unwatched {
			if err := stream.Same(ctx, next); err != nil {
				return b.restart(err)
			}
			checked = time.Now()
		}
		pause := unwatched
		if b.pages.Load() > 0 {
			pause = watched
		}
		if !loop.Rest(ctx, pause, b.visited) {
			return nil
		}
	}
}

// begin is the sequence to read first: where reading ended, or far enough back to fill the board.
func (b *Board) begin(stream eventlog.Info) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == 0 {
		b.next = max(stream.First, stream.Last-min(stream.Last, maxSagas*eventsPerSaga), 1)
	}
	return b.next
}

// restart clears the board when the stream was made anew, and returns any other error.
func (b *Board) restart(err error) error {
	if !errors.Is(err, eventlog.ErrNewStream) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	return nil
}
