package schemaregistry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// Shared is the subject of the definitions that the events' schemas have in common.
const Shared = "saga.common.v1"

// sharedID is how the events' schemas refer to it.
const sharedID = "common.v1.json"

// Subject is the name under which an event's schema is registered: its type with the major version. The versions of one
// subject are compatible with each other; a new major version is another subject.
func Subject(t events.Type) string { return t.String() }

// RefusedError is a schema that may not be registered. It is final: a retry does not help.
type RefusedError struct {
	Subject string
	Why     string // the registry's message: the field, the earlier version, and which consumers read the event
}

// Error is one line.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the schema of %s is refused: %s", e.Subject, e.Why)
}

// RegisterPublications registers the schemas of all events that a service publishes. A schema that is registered
// already stays as it is. A [*RefusedError] is final; any other error may be retried.
func (c Client) RegisterPublications(ctx context.Context, service events.Service) error {
	shared, err := schemaOf(sharedID)
	if err != nil {
		return err
	}
	if err := c.register(ctx, Shared, shared); err != nil {
		return err
	}
	known, err := c.LookUp(ctx, Shared, shared)
	if err != nil {
		return fmt.Errorf("look up %s: %w", Shared, err)
	}
	for _, t := range events.Publications[service] {
		schema, err := Of(t, known.Version)
		if err != nil {
			return err
		}
		if err := c.register(ctx, Subject(t), schema); err != nil {
			return err
		}
	}
	return nil
}

func (c Client) register(ctx context.Context, subject string, schema Schema) error {
	_, err := c.Register(ctx, subject, schema)
	var refused *Error
	if errors.As(err, &refused) && (refused.Code == IncompatibleSchema || refused.Code == InvalidSchema) {
		return &RefusedError{Subject: subject, Why: refused.Message}
	}
	if err != nil {
		return fmt.Errorf("register the schema of %s: %w", subject, err)
	}
	return nil
}

// Of is the schema of an event as it is registered: with a reference to a version of [Shared].
func Of(t events.Type, shared int) (Schema, error) {
	schema, err := schemaOf(events.SchemaID(t))
	return schema.Sharing(shared), err
}

// Sharing is the schema with a reference to a version of [Shared], if it uses that.
func (s Schema) Sharing(version int) Schema {
	if version > 0 && strings.Contains(s.Text, sharedID+"#") {
		s.References = []Reference{{Name: sharedID, Subject: Shared, Version: version}}
	}
	return s
}

// schemaOf is a schema of this program by its $id.
func schemaOf(id string) (Schema, error) {
	content, err := events.Schemas.ReadFile("schemas/" + id)
	return Schema{Type: JSON, Text: string(content)}, err
}
