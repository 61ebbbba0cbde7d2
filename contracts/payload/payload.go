// Package payload validates events against the JSON Schemas of their versions, before they are published and before
// they are handled. A publisher that would break its promise fails its own transaction, and a consumer never handles
// what its schema does not allow, whoever has published it.
//
// The schemas are open: a field that they do not name is allowed, so a publisher may add fields that its consumers do
// not know. The schemas are compiled once, when the first event is validated.
package payload

import (
	"fmt"
	"sync"

	"example.com/ordersaga/contracts/validator"
	"example.com/ordersaga/pkg/events"
)

// Validate returns what is wrong with an event's data, by the schema of its type and version: where, and what is
// expected there. It does not repeat the values: they may be personal, and reasons go into logs.
func Validate(t events.Type, data []byte) error {
	all, err := schemas()
	if err != nil {
		return err
	}
	version := events.Version{Name: t.Name, Major: t.Major}
	expected, known := all[version]
	if !known {
		return fmt.Errorf("there is no schema of %s", version)
	}
	if err := expected.Validate(data); err != nil {
		return fmt.Errorf("data of %s is not what its schema says: %w", version, err)
	}
	return nil
}

// schemas are those of all versions of all events.
var schemas = sync.OnceValues(func() (map[events.Version]*validator.Validator, error) {
	files, err := events.Schemas.ReadDir("schemas")
	if err != nil {
		return nil, err
	}
	documents := map[string]any{}
	for _, file := range files {
		text, err := events.Schemas.ReadFile("schemas/" + file.Name())
		if err != nil {
			return nil, err
		}
		document, err := validator.Decode(text)
		if err != nil {
			return nil, fmt.Errorf("the schema %s: %w", file.Name(), err)
		}
		documents[file.Name()] = document
	}
	all := map[events.Version]*validator.Validator{}
	for _, version := range events.Versions() {
		id := events.SchemaID(events.Type{Name: version.Name, Major: version.Major})
		if all[version], err = validator.New(id, documents); err != nil {
			return nil, fmt.Errorf("the schema of %s: %w", version, err)
		}
	}
	return all, nil
})
