package pact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// Schemas are the schemas of the events, as text, by their $id.
type Schemas map[string][]byte

// Current are the schemas as they are.
func Current() (Schemas, error) {
	names, err := fs.Glob(events.Schemas, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	all := Schemas{}
	for _, name := range names {
		content, err := events.Schemas.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := all.add(content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

func (s Schemas) add(content []byte) error {
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(content, &head); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	if head.ID == "" {
		return errors.New("it has no $id")
	}
	s[head.ID] = content
	return nil
}

// With are the schemas with a changed one, which must be of an id that there is.
func (s Schemas) With(changed []byte) (Schemas, error) {
	one := Schemas{}
	if err := one.add(changed); err != nil {
		return nil, err
	}
	for id := range one {
		if _, known := s[id]; !known {
			return nil, fmt.Errorf("no event has the schema %s", id)
		}
	}
	all := maps.Clone(s)
	maps.Copy(all, one)
	return all, nil
}

// parse reads the schema of an id, which may refer to others.
func (s Schemas) parse(id string) (*schema.Schema, error) {
	text, err := s.text(id)
	if err != nil {
		return nil, err
	}
	return schema.Parse(text, s.text)
}

func (s Schemas) text(id string) ([]byte, error) {
	if text, has := s[id]; has {
		return text, nil
	}
	return nil, fmt.Errorf("there is no schema %s", id)
}
