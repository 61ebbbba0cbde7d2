// Package payload holds events against the JSON Schemas of their versions, on the way out and on the way in.
// A publisher that would break its promise finds out before anybody hears of it, and a consumer never sees what
// its schema does not allow, whoever has published it.
//
// The schemas are open: a field that they do not name is allowed, so a publisher may add some, and say them to
// consumers that do not know them. They are read once, when the first event asks for them.
package payload

import (
	"fmt"
	"strings"
	"sync"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// Validate says what is wrong with an event's data, by the schema of its type and version: where, and what is
// expected there. It does not repeat what stands there: that may be personal, and reasons go into logs.
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
var schemas = sync.OnceValues(func() (map[events.Version]*schema.Schema, error) {
	all := map[events.Version]*schema.Schema{}
	for _, version := range events.Versions() {
		text, err := read(events.SchemaID(events.Type{Name: version.Name, Major: version.Major}))
		if err == nil {
			all[version], err = schema.Parse(text, read)
		}
		if err != nil {
			return nil, fmt.Errorf("the schema of %s: %w", version, err)
		}
	}
	return all, nil
})

// read is the text of a schema by its $id, such as /schemas/OrderCreated/v1.
func read(id string) ([]byte, error) {
	name, version, _ := strings.Cut(strings.TrimPrefix(id, "/schemas/"), "/")
	return events.Schemas.ReadFile("schemas/" + name + "." + version + ".json")
}
