package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/pkg/events"
)

// Subject is what an event's schema is registered under: its type with the major version, as it is on the wire.
// Versions of one subject are compatible with each other; a new major version is another subject.
func Subject(t events.Type) string { return t.String() }

// Shared is the subject of what the events' schemas have in common.
const Shared = "saga.common.v1"

// sharedID is how the events' schemas refer to it.
const sharedID = "/schemas/common/v1"

// RefusedError says that a schema may not be registered, and whom it would break.
type RefusedError struct {
	Subject string
	Why     string   // the registry's words: which field, and toward which version
	Readers []string // the consumers that hear the event, and what each reads of it
}

// Error is one line.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("the schema of %s is refused: %s", e.Subject, e.Why)
	if len(e.Readers) > 0 {
		text += "; it is read by " + strings.Join(e.Readers, ", ")
	}
	return text
}

// Announce registers the schemas of all events that a service sends. What is registered already stays as it is. A
// *[RefusedError] is final; after any other error it may be tried again.
func (c Client) Announce(ctx context.Context, service events.Service) error {
	shared, err := text(sharedID)
	if err != nil {
		return err
	}
	known, err := c.announce(ctx, Shared, Schema{Type: JSON, Text: shared})
	if err != nil {
		return err
	}
	for _, t := range events.Publications[service] {
		schema, err := Of(t, known.Version)
		if err != nil {
			return err
		}
		if _, err := c.announce(ctx, Subject(t), schema); err != nil {
			return withReaders(err, t)
		}
	}
	return nil
}

// Of is the schema of an event, as it is registered: it refers to a version of what the events share.
func Of(t events.Type, shared int) (Schema, error) {
	content, err := text(events.SchemaID(t))
	if err != nil {
		return Schema{}, err
	}
	return Schema{Type: JSON, Text: content}.Sharing(shared), nil
}

// Sharing is the schema with a version of what the events share, if it refers to that.
func (s Schema) Sharing(version int) Schema {
	if version > 0 && strings.Contains(s.Text, sharedID+"#") {
		s.References = []Reference{{Name: sharedID, Subject: Shared, Version: version}}
	}
	return s
}

// text is a schema of this program by its $id.
func text(id string) (string, error) {
	name, version, _ := strings.Cut(strings.TrimPrefix(id, "/schemas/"), "/")
	content, err := events.Schemas.ReadFile("schemas/" + name + "." + version + ".json")
	return string(content), err
}

// announce registers one schema and says which version it is.
func (c Client) announce(ctx context.Context, subject string, schema Schema) (Version, error) {
	if _, err := c.Register(ctx, subject, schema); err != nil {
		var refused *Error
		if errors.As(err, &refused) && (refused.Code == IncompatibleSchema || refused.Code == InvalidSchema) {
			return Version{}, &RefusedError{Subject: subject, Why: refused.Message}
		}
		return Version{}, fmt.Errorf("register the schema of %s: %w", subject, err)
	}
	return c.LookUp(ctx, subject, schema)
}

// withReaders adds who hears the event and what they are known to read of it.
func withReaders(err error, t events.Type) error {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	for _, consumer := range events.Services {
		if slices.Contains(events.Subscriptions[consumer], t) {
			refused.Readers = append(refused.Readers, reads(consumer, t))
		}
	}
	return refused
}

// reads is a consumer with the fields that its pact says it reads.
func reads(consumer events.Service, t events.Type) string {
	pacts, err := pact.All()
	if err != nil {
		return string(consumer)
	}
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if p.Consumer.Name != string(consumer) || i.Key != t.String() || i.Type != pact.Message {
				continue
			}
			var message struct{ Data json.RawMessage }
			if json.Unmarshal(i.Contents.Content, &message) != nil {
				continue
			}
			content, err := pact.Decode(message.Data)
			if err != nil {
				continue
			}
			fields := pact.Leaves(content)
			for n := range fields {
				fields[n] = strings.TrimPrefix(fields[n], "$.")
			}
			return fmt.Sprintf("%s (%s)", consumer, strings.Join(fields, ", "))
		}
	}
	return string(consumer)
}
