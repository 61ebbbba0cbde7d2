package sagas

import (
	"context"
	"errors"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/loop"
)

const (
	// watched is how often the stream is read while a page looks: an event is on the screen before anybody could wonder.
	watched = 40 * time.Millisecond
	// unwatched is how often otherwise, so that the next page is soon up to date and a console that nobody looks at
	// costs nothing.
	unwatched = 5 * time.Second
)

// Run keeps the board until ctx ends. While the broker is away the board shows what it knew.
func (b *Board) Run(ctx context.Context) error {
	return loop.New("board", b.log, time.Second, nil, b.follow)(ctx)
}

// follow reads the stream until ctx ends or something is wrong.
func (b *Board) follow(ctx context.Context) error {
	defer b.pause()
	stream, err := eventlog.Open(b.nats)
	if err != nil {
		return err
	}
	defer stream.Close()
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	for next, checked := b.begin(info), time.Now(); ctx.Err() == nil; {
		if next, err = stream.Since(ctx, next, b.add); err != nil {
			return err
		}
		b.caughtUp()
		if time.Since(checked) >= unwatched {
			if err := stream.Same(ctx, next); err != nil {
				return b.forget(err)
			}
			checked = time.Now()
		}
		b.rest(ctx)
	}
	return nil
}

// rest waits until the stream is to be read again: soon when a page looks, at once when the first one comes.
func (b *Board) rest(ctx context.Context) {
	pause := unwatched
	if b.pages.Load() > 0 {
		pause = watched
	}
	select {
	case <-ctx.Done():
	case <-b.visited:
	case <-time.After(pause):
	}
}

// visit counts a page until the returned function is called.
func (b *Board) visit() (leave func()) {
	b.pages.Add(1)
	select {
	case b.visited <- struct{}{}:
	default: // it is known already
	}
	return func() { b.pages.Add(-1) }
}

// forget begins anew when the stream did, and passes on any other error.
func (b *Board) forget(err error) error {
	if !errors.Is(err, eventlog.ErrNewStream) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	return nil
}

// begin says from where the stream is read: where reading ended, or so far back that the board will be full.
func (b *Board) begin(stream eventlog.Info) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == 0 {
		b.next = max(stream.First, stream.Last-min(stream.Last, kept*perSaga), 1)
	}
	return b.next
}

// caughtUp says that the board shows all there is.
func (b *Board) caughtUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.reading {
		b.reading = true
		b.tell()
	}
}

func (b *Board) pause() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	b.tell()
}
