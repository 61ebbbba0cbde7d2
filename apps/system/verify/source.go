package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/events"
)

// source is everything that can be looked at, connected.
type source struct {
	system    endpoints.Description
	options   Options
	databases map[events.Service]*pgx.Conn
	turns     map[events.Service]*sync.Mutex // of those who use the connections
	stream    *eventlog.Stream               // nil where the broker does not answer, unless the check is one at rest
	http      http.Client
	printed   time.Time // when the progress was written last
}

// progress reports how far a check is, which is no news while it is quick.
func (s *source) progress(format string, args ...any) {
	if s.options.Progress != nil && time.Since(s.printed) > printEvery {
		s.printed = time.Now()
		s.options.Progress(fmt.Sprintf(format, args...))
	}
}

// printEvery is how often.
const printEvery = 5 * time.Second

func open(ctx context.Context, system endpoints.Description, o Options) (*source, error) {
	if err := system.Complete(); err != nil {
		return nil, err
	}
	s := &source{system: system, options: o, databases: map[events.Service]*pgx.Conn{},
		turns: map[events.Service]*sync.Mutex{}, printed: time.Now()}
	s.http.Timeout = 30 * time.Second
	for _, service := range events.Consumers {
		conn, err := postgres.Connect(ctx, system.Databases[string(service)], postgres.Reading)
		if err != nil {
			s.close(ctx)
			return nil, fmt.Errorf("connect to the %s database: %w", service, err)
		}
		s.databases[service], s.turns[service] = conn, &sync.Mutex{}
	}
	var err error
	if s.stream, err = eventlog.Open(system.NATS); err != nil && o.AtRest {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *source) close(ctx context.Context) {
	for _, conn := range s.databases {
		_ = conn.Close(ctx) // nothing was written
	}
	if s.stream != nil {
		s.stream.Close()
	}
}

// look is the system as it was seen once: a snapshot of each database, taken one after the other, and the
// gateway's ledger, read after them.
type look struct {
	*source
	tx       map[events.Service]pgx.Tx
	began    time.Time
	keys     []string  // orders' ids and other references that are looked at; nil: all
	oldest   time.Time // no entry of the ledger about one of the keys is older
	spool    spool     // the gateway's ledger
	fetching sync.WaitGroup
	noted    noted
	attended map[string][]events.Service
	messages *messages                           // nil unless the check is one at rest
	backlog  map[events.Service]eventlog.Backlog // nil where the broker does not answer

	found                    map[string][]Offender // order by order, by invariant
	counted                  Counted
	oldestEvent, oldestOrder Age
}

// look takes the snapshots, claims before effects, and judges order by order.
func (s *source) look(ctx context.Context, judged []Invariant) (*look, error) {
	l := &look{source: s, tx: map[events.Service]pgx.Tx{}, began: time.Now(), found: map[string][]Offender{}}
	steps := []func(context.Context) error{
		l.begin(events.Order), l.fewEnough,
		l.begin(events.Inventory), l.begin(events.Payment), l.begin(events.Shipping), l.begin(events.Notification),
		l.narrow, l.readBacklog, l.readMessages, func(ctx context.Context) error { return l.checkAll(ctx, judged) },
		l.readNoted, l.readAttended, func(ctx context.Context) error { return l.walk(ctx, judged) },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			l.close(ctx)
			return nil, err
		}
	}
	return l, nil
}

// checkAll makes the checks that are statements, while the gateway's ledger is read.
func (l *look) checkAll(ctx context.Context, judged []Invariant) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.readLedger(ctx) })
	group.Go(func() error {
		for _, c := range judged {
			if c.check == nil {
				continue
			}
			found, err := c.check(ctx, l)
			if err != nil {
				return fmt.Errorf("check %s: %w", c.ID, err)
			}
			l.found[c.ID] = found
		}
		return nil
	})
	return group.Wait()
}

// begin opens a transaction that cannot write and that sees one snapshot, which its first statement takes. What is
// sorted in it may be large.
func (l *look) begin(service events.Service) func(context.Context) error {
	return func(ctx context.Context) error {
		tx, err := l.databases[service].BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return fmt.Errorf("look at the %s database: %w", service, err)
		}
		l.tx[service] = tx
		if _, err := tx.Exec(ctx, `SELECT set_config('work_mem', '64MB', true)`); err != nil {
			return fmt.Errorf("look at the %s database: %w", service, err)
		}
		return nil
	}
}

func (l *look) close(ctx context.Context) {
	l.fetching.Wait()
	for _, tx := range l.tx {
		_ = tx.Rollback(ctx) // nothing was written
	}
	l.spool.close()
}

// narrow finds the orders that were placed or changed lately, and the direct payments, where only these are wanted.
func (l *look) narrow(ctx context.Context) error {
	if l.options.Since == 0 {
		return nil
	}
	keys := map[string]bool{}
	l.oldest = l.began
	for service, changed := range map[events.Service]string{
		events.Order: `
			SELECT id::text, created_at FROM orders WHERE greatest(created_at, updated_at, asked_at) > now() - $1::interval`,
		events.Inventory: `
			SELECT order_id::text, created_at FROM reservation
			WHERE greatest(updated_at, asked_at) > now() - $1::interval`,
		events.Payment: `
			SELECT coalesce('` + direct + `' || direct_reference, order_id::text), created_at FROM payment
			WHERE updated_at > now() - $1::interval`,
		events.Shipping: `SELECT order_id::text, created_at FROM shipment WHERE created_at > now() - $1::interval`,
	} {
		rows, err := query[struct {
			Key       string
			CreatedAt time.Time
		}](ctx, l, service, changed, l.options.Since)
		if err != nil {
			return err
		}
		for _, row := range rows {
			keys[row.Key] = true
			if row.CreatedAt.Before(l.oldest) {
				l.oldest = row.CreatedAt
			}
		}
	}
	l.keys = append([]string{}, slices.Collect(maps.Keys(keys))...) // without any it is not nil
	return nil
}

// orderIDs are those of the keys that are looked at; nil: all orders are.
func (l *look) orderIDs() []string {
	if l.keys == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.keys), func(key string) bool { return strings.HasPrefix(key, direct) })
}

// offenders runs a query that finds what breaks an invariant: one row each, with a key and a detail.
func (l *look) offenders(ctx context.Context, service events.Service, sql string, args ...any) ([]Offender, error) {
	return query[Offender](ctx, l, service, sql, args...)
}

// query reads rows whose columns are the fields of T, in order.
func query[T any](ctx context.Context, l *look, service events.Service, sql string, args ...any) ([]T, error) {
	l.turns[service].Lock() // pages are fetched meanwhile
	defer l.turns[service].Unlock()
	rows, err := l.tx[service].Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the %s database: %w", service, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("read the %s database: %w", service, err)
	}
	return found, nil
}

// getLedger asks the gateway what it did after its first so many entries, up to a limit.
func (s *source) getLedger(ctx context.Context, after, limit int) ([]entry, error) {
	url := fmt.Sprintf("%s/ledger?after=%d&limit=%d", s.system.URLs[endpoints.Gateway], after, limit)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("read the gateway's ledger: %w", err)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the gateway's ledger: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("read the gateway's ledger: it answered " + response.Status)
	}
	var ledger struct {
		Entries []entry `json:"entries"`
	}
	if err := json.NewDecoder(response.Body).Decode(&ledger); err != nil {
		return nil, fmt.Errorf("read the gateway's ledger: %w", err)
	}
	return ledger.Entries, nil
}
