package orders

import (
	"context"
	"errors"
	"sync"
	"time"
)

// pace is how often a page is told how a load goes.
const pace = 250 * time.Millisecond

var errBusy = errors.New("a load is running")

// loads sees to it that one load runs at a time, and that none outlasts the process.
type loads struct {
	mu      sync.Mutex
	last    *load // the one that runs, or ran last
	cancel  context.CancelFunc
	running sync.WaitGroup
	closed  bool
}

func (l *loads) start(wanted Wanted, d *Desk) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.last != nil && l.last.picture().Running {
		return errBusy
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(wanted.Seconds)*time.Second)
	l.last, l.cancel = newLoad(wanted), cancel
	leave := d.board.Endings(l.last.ended)
	l.running.Go(func() {
		defer leave()
		defer cancel()
		l.last.run(ctx, d.shop, d.closing)
	})
	return nil
}

func (l *loads) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

// picture is how the last load went or goes; nil before the first.
func (l *loads) picture() *Picture {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		return nil
	}
	picture := l.last.picture()
	return &picture
}

// Run ends the load with ctx.
func (d *Desk) Run(ctx context.Context) error {
	<-ctx.Done()
	d.loads.mu.Lock()
	d.loads.closed = true
	d.loads.mu.Unlock()
	d.loads.stop()
	d.loads.running.Wait()
	return nil
}
