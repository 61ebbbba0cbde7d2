package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// broker publishes as the other services do, and reads what the candidate publishes.
type broker struct {
	service events.Service // the candidate's
	others  map[events.Service]*nats.Conn
	stream  *eventlog.Stream

	next    uint64                     // sequence to read from
	traces  map[string]string          // of the events that were published here, by their ids
	seen    map[string]eventlog.Seen   // what the candidate has published, by id
	answers map[string][]eventlog.Seen // the same by order, but for incidents
	wrong   []string                   // what is against the contract
}

func connect(s *supervisor.System, service events.Service) (*broker, error) {
	b := &broker{service: service, others: map[events.Service]*nats.Conn{}, next: 1, traces: map[string]string{},
		seen: map[string]eventlog.Seen{}, answers: map[string][]eventlog.Seen{}}
	for _, other := range events.Services {
		env, err := s.Environment(string(other))
		if err != nil {
			return nil, err
		}
		b.others[other], err = natsadmin.Connect(env["NATS_URL"], string(other), slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
	}
	stream, err := eventlog.Open(s.Describe().NATS)
	b.stream = stream
	return b, err
}

func (b *broker) close() {
	for _, nc := range b.others {
		nc.Close()
	}
	b.stream.Close()
}

// publish puts a message on the stream as the service whose type of event it is. It has no Nats-Msg-Id, so that the
// broker does not recognise duplicates, which the candidate is to recognise.
func (b *broker) publish(ctx context.Context, typ events.Type, orderID string, message []byte) error {
	js, err := jetstream.New(b.others[typ.Service])
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, typ.SubjectOf(orderID), message, jetstream.WithRetryAttempts(20))
	if err != nil {
		return fmt.Errorf("publish %s: %w", typ, err)
	}
	return nil
}

// encode is the message of an event, with a trace of its own.
func (b *broker) encode(id string, event events.Event) ([]byte, error) {
	trace := strings.ReplaceAll(id, "-", "")
	b.traces[id] = trace
	return events.Encode(id, time.Now(), events.Cause{TraceParent: "00-" + trace + "-00f067aa0ba902b7-01"}, event)
}

// read takes what the candidate has published since the last time.
func (b *broker) read(ctx context.Context) (err error) {
	b.next, err = b.stream.Since(ctx, b.next, func(seen eventlog.Seen) error {
		if !strings.HasPrefix(seen.Subject, fmt.Sprintf("saga.%s.", b.service)) {
			return nil
		}
		before, known := b.seen[seen.Envelope.ID]
		switch why := b.violation(seen); {
		case why != "":
			b.wrong = append(b.wrong, fmt.Sprintf("%s: %s", seen.Subject, why))
		case known && !bytes.Equal(before.Raw, seen.Raw):
			b.wrong = append(b.wrong, fmt.Sprintf("%s: two events have the id %s", seen.Subject, seen.Envelope.ID))
		}
		if known {
			return nil
		}
		b.seen[seen.Envelope.ID] = seen
		part := strings.Split(seen.Subject, ".")
		if orderID := part[len(part)-1]; !strings.Contains(seen.Subject, ".Incident") {
			b.answers[orderID] = append(b.answers[orderID], seen)
		}
		return nil
	})
	return err
}

// violation is what is wrong with a message by the contract; empty: nothing.
func (b *broker) violation(seen eventlog.Seen) string {
	if seen.Problem != nil {
		return seen.Problem.Error()
	}
	typ, e := seen.Event.Type(), seen.Envelope
	cause := events.Cause{EventID: e.CausationID, TraceParent: e.TraceParent}
	want, err := events.Wrap(e.ID, e.Time, cause, seen.Event)
	want.Data = e.Data
	trace, known := b.traces[e.CausationID]
	switch err = errors.Join(err, payload.Validate(typ, e.Data)); {
	case err != nil:
		return err.Error()
	case !reflect.DeepEqual(e, want):
		e.Data, want.Data = nil, nil
		return fmt.Sprintf("its attributes are %+v, should be %+v", e, want)
	case !slices.Contains(events.Publications[b.service], typ):
		return fmt.Sprintf("%s does not publish %s", b.service, typ)
	case seen.Subject != typ.SubjectOf(e.Subject):
		return "its subject should be " + typ.SubjectOf(e.Subject)
	case seen.MessageID != e.ID:
		return fmt.Sprintf("its Nats-Msg-Id is %q, not its id", seen.MessageID)
	case !known && e.CausationID != "":
		return "causationid names an event that nobody published"
	case known && !strings.HasPrefix(e.TraceParent, "00-"+trace+"-"):
		return fmt.Sprintf("traceparent is %q, not of the trace %s", e.TraceParent, trace)
	}
	return ""
}

// mayNot is nil when the broker refuses all of this to a login.
func mayNot(url string, service events.Service, publish, subscribe []string) error {
	denied := make(chan error, len(publish)+len(subscribe))
	nc, err := nats.Connect(url, nats.CustomInboxPrefix(natsadmin.InboxPrefix(string(service))),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		return fmt.Errorf("log in with NATS_URL: %w", err)
	}
	defer nc.Close()
	for i, subject := range slices.Concat(publish, subscribe) {
		if i < len(publish) {
			err = nc.Publish(subject, nil)
		} else {
			_, err = nc.SubscribeSync(subject)
		}
		if err = errors.Join(err, nc.Flush()); err != nil {
			return fmt.Errorf("use %s: %w", subject, err)
		}
		select {
		case err := <-denied:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				return fmt.Errorf("use %s: %w", subject, err)
			}
		case <-time.After(2 * time.Second):
			return fmt.Errorf("the login may publish on %s, or subscribe to it", subject)
		}
	}
	return nil
}
