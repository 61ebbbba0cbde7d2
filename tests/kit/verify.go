package kit

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// Holds has every invariant checked when the system has come to rest, and every message held against its schema. None
// of the secrets may stand in a log or an event.
func (s *System) Holds(t testing.TB, secrets ...string) {
	t.Helper()
	s.Check(t, secrets...)
	s.Follows(t)
}

// Check is [System.Holds] without the look at every message, which takes the longer the more there are.
func (s *System) Check(t testing.TB, secrets ...string) {
	t.Helper()
	s.mu.Lock()
	acked := slices.Clone(s.acked)
	s.mu.Unlock()
	report, err := verify.Check(t.Context(), s.At, verify.Options{
		AtRest: true, Within: time.Minute, Acknowledged: acked, Secrets: secrets,
	})
	Must(t, err)
	for _, result := range report.Results {
		if !result.Holds {
			t.Errorf("%s does not hold: %s: %v", result.ID, result.Sentence, result.Offenders)
		}
	}
	if report.Counted.Orders < max(1, len(acked)) {
		t.Errorf("only %+v were looked at", report.Counted)
	}
}

// Follows wants every message that the stream holds to follow the JSON Schemas of its envelope and of its event,
// or else to be a dead letter of a service that consumed it. It looks at the bytes alone, and asks nobody who may have
// looked at them before.
func (s *System) Follows(t testing.TB) {
	t.Helper()
	stream, err := eventlog.Open(s.At.NATS)
	Must(t, err)
	defer stream.Close()
	read, known := schemas{}, s.deadLetters(t)
	looked := 0
	Must(t, stream.History(t.Context(), "", func(seen eventlog.Seen) error {
		looked++
		if err := read.follow(seen); err != nil && !known[sha256.Sum256(seen.Raw)] {
			t.Errorf("message %d on %s: %v", seen.Sequence, seen.Subject, err)
		}
		return nil
	}))
	if looked == 0 {
		t.Error("the stream holds no message, so nothing was shown")
	}
}

// deadLetters are the digests of the messages that a service could make nothing of, and has kept for a person.
func (s *System) deadLetters(t testing.TB) map[[sha256.Size]byte]bool {
	t.Helper()
	known := map[[sha256.Size]byte]bool{}
	for _, database := range s.At.Databases {
		for _, message := range Query[[][]byte](t, database, `SELECT coalesce(array_agg(payload), '{}') FROM dead_letter`) {
			known[sha256.Sum256(message)] = true
		}
	}
	return known
}

// schemas are those of the events by their ids, as far as they were asked for.
type schemas map[string]*schema.Schema

func (s schemas) follow(seen eventlog.Seen) error {
	typ, err := events.ParseType(seen.Envelope.Type)
	if err != nil {
		return err
	}
	envelope := "envelope.v2.json"
	if strings.HasPrefix(seen.Envelope.DataSchema, "/") {
		envelope = "envelope.v1.json" // of 0.1.0, out of an outbox that is as old
	}
	for id, payload := range map[string][]byte{envelope: seen.Raw, events.SchemaID(typ): seen.Envelope.Data} {
		expected, err := s.of(id)
		if err != nil {
			return err
		}
		if err := expected.Validate(payload); err != nil {
			return fmt.Errorf("it does not follow %s: %w", id, err)
		}
	}
	return nil
}

func (s schemas) of(id string) (*schema.Schema, error) {
	if known, has := s[id]; has {
		return known, nil
	}
	text, err := schemaText(id)
	if err != nil {
		return nil, fmt.Errorf("there is no schema %q: %w", id, err)
	}
	s[id], err = schema.Parse(text, schemaText)
	return s[id], err
}

func schemaText(id string) ([]byte, error) {
	return events.Schemas.ReadFile("schemas/" + id)
}
