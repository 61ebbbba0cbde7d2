// Package conformance checks a program that takes the place of a service, as a black box: it publishes the events of
// the other services, and compares what the program publishes with the contracts and with the saga's table. The system
// around the program has the servers and none of the services.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

// Options are what to check. Service is one of [Roles].
type Options struct {
	Service events.Service
	Start   string        // the shell command that starts the candidate; empty: it is started by somebody else
	Crash   string        // the shell command that kills the candidate and starts it again; empty: SIGKILL, after Start
	URL     string        // where the candidate answers; empty: at the HTTP_ADDR of the place
	Within  time.Duration // how long the candidate may take to answer an event, and to be ready again after a crash
	Only    []string      // the names of the checks; empty: all
	Log     io.Writer     // gets the candidate's output
	Show    func(Result)  // is called with each result
}

// Result is what came of a check.
type Result struct {
	Check    string `json:"check"`
	Sentence string `json:"sentence"`
	Passed   bool   `json:"passed"`
	LeftOut  bool   `json:"left_out,omitempty"` // it cannot be checked: Seen is what for
	Seen     string `json:"seen,omitempty"`     // what was seen instead
}

// Roles are the places that can be taken.
var Roles = []events.Service{events.Inventory, events.Payment, events.Shipping, events.Notification}

// Alone are the options of a system that has none of the services.
func Alone(o supervisor.Options) supervisor.Options {
	for _, service := range events.Consumers {
		o.Without = append(o.Without, string(service))
	}
	return o
}

// suite is one run over one candidate.
type suite struct {
	Options
	system    *supervisor.System
	broker    *broker
	candidate *candidate
	env       map[string]string // of the place
	orders    []*order          // all that were played and must stay as they are
	met       bool              // the candidate was ready
}

// errLeftOut is that a check cannot be made.
var errLeftOut = errors.New("left out")

// Run makes the checks, one after the other, and returns the results. The error is that they could not be made at all.
func Run(ctx context.Context, system *supervisor.System, o Options) (results []Result, err error) {
	s := &suite{Options: o, system: system}
	if s.env, err = system.Environment(string(o.Service)); err != nil {
		return nil, err
	}
	s.candidate = &candidate{start: o.Start, crash: o.Crash, url: o.URL, log: o.Log}
	if o.URL == "" {
		s.candidate.url = "http://" + s.env["HTTP_ADDR"]
	}
	for name, value := range s.env {
		s.candidate.env = append(s.candidate.env, name+"="+value)
	}
	if s.broker, err = connect(system, o.Service); err != nil {
		return nil, err
	}
	defer s.broker.close()
	if err := s.candidate.run(); err != nil {
		return nil, err
	}
	defer s.candidate.stop() //nolint:errcheck // whether it ends as it should is a check
	for _, c := range s.checks() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, c.name) {
			continue
		}
		result := Result{Check: c.name, Sentence: c.sentence, Passed: true}
		if err := c.run(ctx); err != nil {
			if ctx.Err() != nil {
				return results, fmt.Errorf("interrupted: %w", err)
			}
			result.Passed, result.LeftOut, result.Seen = false, errors.Is(err, errLeftOut), err.Error()
		}
		results = append(results, result)
		o.Show(result)
		if c.name == ready && !result.Passed {
			return results, nil // nobody is there to be checked
		}
	}
	return results, nil
}

// wait tries until there is no error, or for so long; then the last error is returned.
func (s *suite) wait(ctx context.Context, within time.Duration, try func() error) error {
	for began := time.Now(); ; {
		err := try()
		if err == nil || time.Since(began) > within {
			return err
		}
		if !loop.Rest(ctx, 10*time.Millisecond, nil) {
			return err
		}
	}
}

// play publishes an event about an order, each time with the same id, and notes what is to follow.
func (s *suite) play(ctx context.Context, o *order, step step, times int) error {
	id := uuid.Must(uuid.NewV7()).String()
	o.apply(s.Service, step, id)
	return s.publish(ctx, id, o, step, times)
}

func (s *suite) publish(ctx context.Context, id string, o *order, step step, times int) error {
	message, err := s.broker.encode(id, o.event(step))
	for n := 0; n < times && err == nil; n++ {
		err = s.broker.publish(ctx, step.Type, o.OrderID, message)
	}
	return err
}

// settled waits until the candidate has acknowledged everything, and has published what follows about the orders.
func (s *suite) settled(ctx context.Context, orders ...*order) error {
	return s.wait(ctx, s.Within, func() error {
		if err := s.answered(ctx, orders); err != nil {
			return err
		}
		backlog, err := s.broker.stream.Backlog(ctx, s.Service)
		if n := backlog.Pending + backlog.Unacknowledged; err == nil && n > 0 {
			err = fmt.Errorf("%d events were not acknowledged within %v", n, s.Within)
		}
		return err
	})
}

// answered is nil once everything that follows about the orders is published.
func (s *suite) answered(ctx context.Context, orders []*order) error {
	if err := s.broker.read(ctx); err != nil {
		return err
	}
	for _, o := range orders {
		if len(s.broker.answers[o.OrderID]) < len(o.want) {
			return s.judge(o)
		}
	}
	return nil
}

// expect judges orders once everything about them is published. An answer too many would have been published before
// that about an order that comes later; what comes even later is seen at the end.
func (s *suite) expect(ctx context.Context, orders ...*order) error {
	s.orders = append(s.orders, orders...)
	err := s.settled(ctx, orders...)
	if err == nil {
		last := newOrder(false)
		s.orders = append(s.orders, last)
		if err = s.play(ctx, last, s.first(), 1); err == nil {
			err = s.settled(ctx, last)
		}
	}
	if wrong := s.judgeAll(orders); wrong != nil {
		return wrong
	}
	return err
}

func (s *suite) judgeAll(orders []*order) error {
	var wrong []string
	for _, o := range orders {
		if err := s.judge(o); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return summary(wrong)
}

// summary is the first thing that is wrong, and how many there are; nil when nothing is.
func summary(wrong []string) error {
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return errors.New(wrong[0])
	}
	return fmt.Errorf("%s (and %d more)", wrong[0], len(wrong)-1)
}

// judge compares what was published about an order with what the saga's table has.
func (s *suite) judge(o *order) error {
	got := make([]answer, len(s.broker.answers[o.OrderID]))
	same := len(got) == len(o.want)
	for i, seen := range s.broker.answers[o.OrderID] {
		got[i] = answer{name: strings.Split(seen.Subject, ".")[2]}
		same = same && got[i].name == o.want[i].name
	}
	about := fmt.Sprintf("order %s, after %s", o.OrderID, strings.Join(o.played, ", "))
	if !same {
		return fmt.Errorf("%s: published %s, the saga's table has %s", about, names(got), names(o.want))
	}
	before := map[string]map[string]any{}
	for i, want := range o.want {
		seen := s.broker.answers[o.OrderID][i]
		var data map[string]any
		if err := json.Unmarshal(seen.Envelope.Data, &data); err != nil {
			return fmt.Errorf("%s: data of %s: %w", about, want.name, err)
		}
		attempt, _ := data["attempt"].(float64) // missing: 0
		delete(data, "attempt")
		first := before[want.name]
		before[want.name] = data
		switch snapshot, has := snapshotOf(seen.Event); {
		case seen.Envelope.CausationID != want.cause:
			return fmt.Errorf("%s: causationid of %s is %q, the event that it follows from is %s", about, want.name,
				seen.Envelope.CausationID, want.cause)
		case has && !reflect.DeepEqual(snapshot, o.Snapshot):
			return fmt.Errorf("%s: %s carries the order %+v, not %+v", about, want.name, snapshot, o.Snapshot)
		case want.repeated && int(attempt) != want.attempt:
			return fmt.Errorf("%s: %s has the attempt %v, the request had %d", about, want.name, attempt, want.attempt)
		case want.repeated && first != nil && !reflect.DeepEqual(first, data):
			return fmt.Errorf("%s: %s was %v, and is %v when it is repeated", about, want.name, first, data)
		}
	}
	return nil
}

// snapshotOf is the order that an event carries, if it carries it.
func snapshotOf(event events.Event) (events.Snapshot, bool) {
	switch e := event.(type) {
	case events.InventoryReserved:
		return e.Snapshot, true
	case events.PaymentProcessed:
		return e.Snapshot, true
	case events.ShipmentCreated:
		return e.Snapshot, true
	}
	return events.Snapshot{}, false
}
