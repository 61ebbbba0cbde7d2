package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxBatch is how many operations share one write and one fsync at most. More would make the first one
// wait for the last one's decision longer than the fsync takes.
const maxBatch = 512

// errClosed is what an operation gets that comes after the end.
var errClosed = errors.New("the ledger is closed")

// ledger is the gateway's truth. Operations on it happen one after the other, also those of other
// processes on the same file, and one is answered only when its record is on the disk. One goroutine
// does them all: whatever arrives while it writes one batch becomes the next, so that many concurrent
// operations share an fsync, and a single one waits for nobody.
type ledger struct {
	file    *file
	book    *book
	queue   chan *operation
	closing chan struct{}
	closed  chan struct{}
	log     *slog.Logger
	batches prometheus.Histogram
	syncs   prometheus.Histogram
}

// operation reads the book and returns the record to write; nil: it only reads.
type operation struct {
	decide func(*book) *record
	done   chan error
}

// openLedger reads the file and starts working. Close ends it.
func openLedger(path string, log *slog.Logger, metrics prometheus.Registerer) (*ledger, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	l := &ledger{
		file: f, book: newBook(f), log: log,
		queue: make(chan *operation, maxBatch), closing: make(chan struct{}), closed: make(chan struct{}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_ledger_batch_operations", Help: "Operations that shared one write.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		syncs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_ledger_write_seconds", Help: "Time to lock, write and sync a batch.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}),
	}
	metrics.MustRegister(l.batches, l.syncs)
	if err := l.commit(nil); err != nil {
		return nil, errors.Join(err, f.close())
	}
	go l.work()
	return l, nil
}

// Close lets what has begun finish.
func (l *ledger) Close() error {
	close(l.closing)
	<-l.closed
	return l.file.close()
}

// do runs one operation and returns when its record, if it made one, is on the disk. When ctx ends
// first the operation may still be carried out.
func do[T any](ctx context.Context, l *ledger, decide func(*book) (T, *record)) (T, error) {
	var result, none T
	op := &operation{done: make(chan error, 1), decide: func(b *book) (r *record) {
		result, r = decide(b)
		return r
	}}
	select {
	case l.queue <- op:
	case <-l.closing:
		return none, errClosed
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case err := <-op.done:
		if err != nil {
			return none, err
		}
		return result, nil
	case <-l.closed:
		return none, errClosed
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (l *ledger) work() {
	defer close(l.closed)
	for {
		select {
		case <-l.closing:
			return
		case first := <-l.queue:
			batch := l.gather(first)
			start := time.Now()
			err := l.commit(batch)
			l.batches.Observe(float64(len(batch)))
			l.syncs.Observe(time.Since(start).Seconds())
			if err != nil {
				l.log.Error("ledger could not be written", "operations", len(batch), "error", err)
			}
			for _, op := range batch {
				op.done <- err
			}
		}
	}
}

// gather takes what is waiting already, and waits for nothing.
func (l *ledger) gather(first *operation) []*operation {
	batch := []*operation{first}
	for len(batch) < maxBatch {
		select {
		case op := <-l.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit does a batch: under the lock, with everything that other processes wrote in view, and on the
// disk when it returns. After an error the book forgets what it decided.
func (l *ledger) commit(batch []*operation) (err error) {
	if err := l.file.lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.file.unlock()) }()

	l.book.err = nil
	if err := l.file.catchUp(l.book.add); err != nil {
		return err
	}
	movements, names := l.book.movements, l.book.names.n
	if err = l.decide(batch); err == nil {
		err = l.file.append(l.book.decided)
	}
	if err != nil {
		l.book.forget(movements, names)
	}
	l.book.decided = nil
	return err
}

// decide runs the operations one after the other, each in view of those before it.
func (l *ledger) decide(batch []*operation) error {
	for _, op := range batch {
		r := op.decide(l.book)
		if l.book.err != nil {
			return l.book.err
		}
		if r == nil {
			continue
		}
		if err := l.book.decide(r); err != nil {
			return err
		}
	}
	return nil
}
