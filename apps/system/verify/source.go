package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// source is everything that can be looked at, connected.
type source struct {
	system    endpoints.Description
	options   Options
	databases map[events.Service]*pgx.Conn
	stream    *eventlog.Stream // nil where the broker does not answer, unless the check is one at rest
	http      http.Client
}

func open(ctx context.Context, system endpoints.Description, o Options) (*source, error) {
	if err := system.Complete(); err != nil {
		return nil, err
	}
	s := &source{system: system, options: o, databases: map[events.Service]*pgx.Conn{}}
	s.http.Timeout = 30 * time.Second
	for _, service := range events.Consumers {
		conn, err := pgx.Connect(ctx, system.Databases[string(service)])
		if err != nil {
			s.close(ctx)
			return nil, fmt.Errorf("connect to the %s database: %w", service, err)
		}
		s.databases[service] = conn
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
	tx map[events.Service]pgx.Tx

	orders       map[string]order
	reservations map[string]reservation
	payments     map[string]payment
	accepted     []accepted
	shipments    map[string]shipment
	charges      map[string][]charge                 // by merchant reference
	refunds      map[string][]refund                 // by charge
	messages     *messages                           // nil unless the check is one at rest
	backlog      map[events.Service]eventlog.Backlog // nil where the broker does not answer

	oldestEvent, oldestOrder Age
}

// look takes the snapshots, claims before effects.
func (s *source) look(ctx context.Context) (*look, error) {
	l := &look{source: s, tx: map[events.Service]pgx.Tx{}}
	steps := []func(context.Context) error{
		l.begin(events.Order), l.fewEnough, l.readOrders,
		l.begin(events.Inventory), l.readReservations,
		l.begin(events.Payment), l.readPayments,
		l.begin(events.Shipping), l.readShipments,
		l.begin(events.Notification),
		l.readLedger,
		l.readBacklog,
		l.readMessages,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			l.close(ctx)
			return nil, err
		}
	}
	return l, nil
}

// begin opens a transaction that cannot write and that sees one snapshot, taken by its first statement.
func (l *look) begin(service events.Service) func(context.Context) error {
	return func(ctx context.Context) error {
		tx, err := l.databases[service].BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return fmt.Errorf("look at the %s database: %w", service, err)
		}
		l.tx[service] = tx
		return nil
	}
}

func (l *look) close(ctx context.Context) {
	for _, tx := range l.tx {
		_ = tx.Rollback(ctx) // nothing was written
	}
}

func (l *look) counted() Counted {
	c := Counted{Orders: len(l.orders)}
	for _, charges := range l.charges {
		c.Charges += len(charges)
	}
	for _, refunds := range l.refunds {
		c.Refunds += len(refunds)
	}
	if l.messages != nil {
		c.Messages = len(l.messages.ids)
	}
	return c
}

// offenders runs a query that finds what breaks an invariant: one row each, with a key and a detail.
func (l *look) offenders(ctx context.Context, service events.Service, sql string, args ...any) ([]Offender, error) {
	return query[Offender](ctx, l, service, sql, args...)
}

// query reads rows whose columns are the fields of T, in order.
func query[T any](ctx context.Context, l *look, service events.Service, sql string, args ...any) ([]T, error) {
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

// getLedger asks the gateway what it did.
func (s *source) getLedger(ctx context.Context) ([]entry, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.system.URLs[endpoints.Gateway]+"/ledger", nil)
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
