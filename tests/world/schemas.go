package world

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// Follows wants every message that the stream holds to be what the JSON Schemas of its envelope and of its event say,
// or else to be a dead letter of a service that heard it. It looks at the bytes alone, and asks nobody who may have
// looked at them before.
func (w *World) Follows(t testing.TB) {
	t.Helper()
	stream, err := eventlog.Open(w.At.NATS)
	Must(t, err)
	defer stream.Close()
	read, parked := schemas{}, w.parked(t)
	looked := 0
	Must(t, stream.History(t.Context(), "", func(seen eventlog.Seen) error {
		looked++
		if err := read.follow(seen); err != nil && !parked[sha256.Sum256(seen.Raw)] {
			t.Errorf("message %d on %s: %v", seen.Sequence, seen.Subject, err)
		}
		return nil
	}))
	if looked == 0 {
		t.Error("the stream holds no message, so nothing was shown")
	}
}

// parked are the digests of the messages that a service could make nothing of, and has kept for a person.
func (w *World) parked(t testing.TB) map[[sha256.Size]byte]bool {
	t.Helper()
	known := map[[sha256.Size]byte]bool{}
	for _, database := range w.At.Databases {
		for _, message := range Query[[][]byte](t, database, `SELECT coalesce(array_agg(payload), '{}') FROM dead_letter`) {
			known[sha256.Sum256(message)] = true
		}
	}
	return known
}

// schemas are those of the events by their ids, as far as they were asked for.
type schemas map[string]*schema.Schema

func (s schemas) follow(seen eventlog.Seen) error {
	for id, payload := range map[string][]byte{"/schemas/envelope/v1": seen.Raw, seen.Envelope.DataSchema: seen.Envelope.Data} {
		expected, err := s.of(id)
		if err != nil {
			return err
		}
		if err := expected.Validate(payload); err != nil {
			return fmt.Errorf("it is not what %s says: %w", id, err)
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
	name := strings.ReplaceAll(strings.TrimPrefix(id, "/schemas/"), "/", ".")
	return events.Schemas.ReadFile("schemas/" + name + ".json")
}
