// Package eventlog looks at the saga's events without taking part: with the observer's login, which may
// read what the stream holds and listen to what comes, and can neither publish nor consume for a service.
package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// Stream is a look at the saga's stream.
type Stream struct{ nc *nats.Conn }

// Seen is an event as an observer sees it.
type Seen struct {
	// Sequence is its place in the stream; zero when it was received live.
	Sequence uint64
	// MessageID is the Nats-Msg-Id that it was published with.
	MessageID string
	Subject   string
	Envelope  events.Envelope
	Event     events.Event
	// Raw is the message as it was published. When it is no event that this program knows, Problem says why.
	Raw     []byte
	Problem error
}

// Open connects to the broker at address, which carries the login of an observer. It fails at once when the
// broker does not answer, and afterwards reconnects for ever.
func Open(address string) (*Stream, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("connect to the broker: its address is no URL") // which would show the password
	}
	login := at.User.Username()
	nc, err := nats.Connect(address, nats.Name(login), nats.CustomInboxPrefix(natsadmin.InboxPrefix(login)),
		nats.Timeout(5*time.Second), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	if err := natsadmin.NewEnough(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return &Stream{nc}, nil
}

// Close ends the connection.
func (s *Stream) Close() { s.nc.Close() }

// ofOrder matches every event about one order, or about any when orderID is empty.
func ofOrder(orderID string) string {
	if orderID == "" {
		return events.StreamSubjects
	}
	return "saga.*.*.*." + orderID
}

// Live is what the observer hears from now on.
type Live struct {
	sub *nats.Subscription
}

// Listen begins to hear events about one order, or about every order when orderID is empty. Nothing that
// is published after it has returned is missed while the connection holds.
func (s *Stream) Listen(orderID string) (*Live, error) {
	sub, err := s.nc.SubscribeSync(ofOrder(orderID))
	if err != nil {
		return nil, fmt.Errorf("listen to the saga: %w", err)
	}
	if err := s.nc.FlushTimeout(5 * time.Second); err != nil {
		return nil, fmt.Errorf("listen to the saga: %w", err)
	}
	return &Live{sub}, nil
}

// Next waits for the next event until ctx ends.
func (l *Live) Next(ctx context.Context) (Seen, error) {
	msg, err := l.sub.NextMsgWithContext(ctx)
	if err != nil {
		return Seen{}, fmt.Errorf("wait for the next event: %w", err)
	}
	return seen(msg.Subject, msg), nil
}

// Stop ends the listening.
func (l *Live) Stop() error { return l.sub.Unsubscribe() }

// seen reads a message; one from the stream's store carries its subject and sequence in headers.
func seen(subject string, msg *nats.Msg) Seen {
	s := Seen{Subject: subject, MessageID: msg.Header.Get(nats.MsgIdHdr), Raw: msg.Data}
	s.Envelope, s.Event, s.Problem = events.Decode(msg.Data)
	return s
}

// Info is the state of the stream.
type Info struct {
	First, Last, Messages uint64
}

// Info asks the broker about the stream.
func (s *Stream) Info(ctx context.Context) (Info, error) {
	var answer struct {
		State struct {
			First    uint64 `json:"first_seq"`
			Last     uint64 `json:"last_seq"`
			Messages uint64 `json:"messages"`
		} `json:"state"`
	}
	err := s.ask(ctx, "$JS.API.STREAM.INFO."+events.Stream, nil, &answer)
	return Info(answer.State), err
}

// Backlog is what a service's consumer has not finished.
type Backlog struct {
	Pending        int       // not delivered yet
	Unacknowledged int       // delivered, not acknowledged
	Floor          uint64    // up to this sequence of the stream everything is acknowledged
	Oldest         time.Time // when the oldest event was stored that is not acknowledged; zero: there is none
}

// Backlog asks the broker how far a service has come.
func (s *Stream) Backlog(ctx context.Context, service events.Service) (b Backlog, err error) {
	var answer struct {
		Pending        int `json:"num_pending"`
		Unacknowledged int `json:"num_ack_pending"`
		Floor          struct {
			Stream uint64 `json:"stream_seq"`
		} `json:"ack_floor"`
	}
	err = s.ask(ctx, fmt.Sprintf("$JS.API.CONSUMER.INFO.%s.%s", events.Stream, service), nil, &answer)
	b = Backlog{Pending: answer.Pending, Unacknowledged: answer.Unacknowledged, Floor: answer.Floor.Stream}
	if err != nil || b.Pending+b.Unacknowledged == 0 {
		return b, err
	}
	js, err := jetstream.New(s.nc)
	if err == nil {
		b.Oldest, err = natsadmin.Oldest(ctx, js, string(service))
	}
	return b, err
}

// ask makes one request of the JetStream API.
func (s *Stream) ask(ctx context.Context, subject string, request []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	msg, err := s.nc.RequestWithContext(ctx, subject, request)
	if err != nil {
		return fmt.Errorf("ask the broker (%s): %w", subject, err)
	}
	var failed struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := errors.Join(json.Unmarshal(msg.Data, &failed), json.Unmarshal(msg.Data, answer)); err != nil {
		return fmt.Errorf("ask the broker (%s): %w", subject, err)
	}
	if failed.Error != nil {
		return fmt.Errorf("ask the broker (%s): %s", strings.TrimPrefix(subject, "$JS.API."), failed.Error.Description)
	}
	return nil
}

// Subjects calls each with the subject of every message that matches from now on, until ctx ends. It does
// not read the messages, so it keeps up with any load.
func (s *Stream) Subjects(ctx context.Context, matching string, each func(subject string)) error {
	sub, err := s.nc.Subscribe(matching, func(msg *nats.Msg) { each(msg.Subject) })
	if err != nil {
		return fmt.Errorf("listen to the saga: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	if err := s.nc.FlushTimeout(5 * time.Second); err != nil {
		return fmt.Errorf("listen to the saga: %w", err)
	}
	return nil
}
