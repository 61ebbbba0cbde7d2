package verify

import (
	"bufio"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"example.com/ordersaga/pkg/events"
)

// feed is the rows of one table, or of the gateway's ledger, sorted by a key. It holds a page of them.
type feed[T any] struct {
	key  func(T) string
	more func(context.Context) ([]T, error) // the next page; an empty one: that was all
	page []T
	last string
	done bool
}

// head is the key of the next row; false: there is none.
func (f *feed[T]) head(ctx context.Context) (key string, exists bool, err error) {
	if len(f.page) == 0 && !f.done {
		if f.page, err = f.more(ctx); err != nil {
			return "", false, err
		}
		f.done = len(f.page) == 0
	}
	if f.done {
		return "", false, nil
	}
	if key = f.key(f.page[0]); key < f.last {
		return "", false, fmt.Errorf("%q comes after %q: what is compared is not sorted", key, f.last)
	}
	f.last = key
	return key, true, nil
}

// take is the rows with a key, which must not be greater than the next row's. They leave the feed.
func (f *feed[T]) take(ctx context.Context, key string) (rows []T, err error) {
	for {
		next, exists, err := f.head(ctx)
		if err != nil || !exists || next != key {
			return rows, err
		}
		rows, f.page = append(rows, f.page[0]), f.page[1:]
	}
}

// takeOne is the last row with a key; the zero value where there is none.
func (f *feed[T]) takeOne(ctx context.Context, key string, into *T) error {
	rows, err := f.take(ctx, key)
	if len(rows) > 0 {
		*into = rows[len(rows)-1]
	}
	return err
}

// atOnce is how many rows are fetched at once.
const atOnce = 1000

// open makes a feed of a query whose rows are sorted, which the database keeps in a cursor.
func openFeed[T any](ctx context.Context, l *look, service events.Service, name, sql string, key func(T) string,
	args ...any) (*feed[T], error) {
	if _, err := query[struct{}](ctx, l, service, `DECLARE `+name+` NO SCROLL CURSOR FOR `+sql, args...); err != nil {
		return nil, err
	}
	fetch := fmt.Sprintf(`FETCH %d FROM %s`, atOnce, name)
	more := func(ctx context.Context) ([]T, error) { return query[T](ctx, l, service, fetch) }
	return &feed[T]{key: key, more: ahead(ctx, &l.fetching, more)}, nil
}

// ahead fetches the next page while the last one is looked at.
func ahead[T any](ctx context.Context, running *sync.WaitGroup,
	more func(context.Context) ([]T, error)) func(context.Context) ([]T, error) {
	type fetched struct {
		page []T
		err  error
	}
	next := make(chan fetched, 1)
	fetch := func(ctx context.Context) {
		running.Go(func() {
			page, err := more(ctx)
			next <- fetched{page, err}
		})
	}
	fetch(ctx)
	return func(ctx context.Context) ([]T, error) {
		f := <-next
		if f.err == nil && len(f.page) > 0 {
			fetch(ctx)
		}
		return f.page, f.err
	}
}

// spool sorts the gateway's entries by their reference, however many there are: in memory as long as they are few, and
// in temporary files.
type spool struct {
	chunk []entry
	runs  []*run
}

// run is a sorted part of the entries, in a file that has no name any more.
type run struct {
	file    *os.File
	entries *gob.Decoder
	next    entry
	done    bool
}

// inMemory is how many entries are sorted at once: some 15 MB.
const inMemory = 50_000

func (s *spool) add(e entry) error {
	if s.chunk = append(s.chunk, e); len(s.chunk) < inMemory {
		return nil
	}
	return s.flush()
}

// flush moves the entries in memory to a file.
func (s *spool) flush() error {
	s.sort()
	file, err := os.CreateTemp("", "verify-*")
	if err != nil {
		return fmt.Errorf("sort the gateway's ledger: %w", err)
	}
	s.runs = append(s.runs, &run{file: file})
	buffer := bufio.NewWriter(file)
	writer := gob.NewEncoder(buffer)
	err = os.Remove(file.Name()) // it is there until it is closed
	for _, e := range s.chunk {
		err = cmp.Or(err, writer.Encode(e))
	}
	if err = errors.Join(err, buffer.Flush()); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("sort the gateway's ledger: %w", err)
	}
	s.chunk = s.chunk[:0]
	return nil
}

func (s *spool) sort() {
	slices.SortStableFunc(s.chunk, func(a, b entry) int { return strings.Compare(a.Reference, b.Reference) })
}

// feed is all entries, sorted. Nothing may be added any more.
func (s *spool) feed() (*feed[entry], error) {
	f := &feed[entry]{key: func(e entry) string { return e.Reference }}
	if s.sort(); len(s.runs) == 0 {
		f.page, f.more = s.chunk, func(context.Context) ([]entry, error) { return nil, nil }
		return f, nil
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.chunk = nil
	for _, r := range s.runs {
		r.entries = gob.NewDecoder(bufio.NewReader(r.file))
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	f.more = func(context.Context) (page []entry, err error) {
		for len(page) < atOnce && err == nil {
			first := s.first()
			if first == nil {
				break
			}
			page, err = append(page, first.next), first.advance()
		}
		return page, err
	}
	return f, nil
}

// first is the run with the smallest entry, of equal ones the oldest; nil: all are through.
func (s *spool) first() (first *run) {
	for _, r := range s.runs {
		if !r.done && (first == nil || r.next.Reference < first.next.Reference) {
			first = r
		}
	}
	return first
}

func (r *run) advance() error {
	r.next = entry{}
	err := r.entries.Decode(&r.next)
	if r.done = errors.Is(err, io.EOF); r.done || err == nil {
		return nil
	}
	return fmt.Errorf("sort the gateway's ledger: %w", err)
}

func (s *spool) close() {
	for _, r := range s.runs {
		r.file.Close()
	}
}
