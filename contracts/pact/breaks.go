package pact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// Break is a field that a consumer reads, and that it could no longer read.
type Break struct {
	Consumer string `json:"consumer"`
	Event    string `json:"event"`
	Field    string `json:"field"`
	Why      string `json:"why"`
}

// Breaks are the fields that consumers could no longer read, if the event's schema with the same $id were changed to
// this one; nil changes none. [schema.Compare] judges, as it does for the registry, and what it cannot judge is a
// break. A service validates an event before it handles it, so its schema is the whole one of today, with bounds and
// with fields that it does not use; any other consumer needs the fields that its pact names.
func Breaks(changed []byte) (all []Break, err error) {
	current, err := schemas(nil)
	if err != nil {
		return nil, err
	}
	next, err := schemas(changed)
	if err != nil {
		return nil, err
	}
	pacts, err := All()
	if err != nil {
		return nil, err
	}
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if i.Type != Message {
				continue
			}
			broken, err := next.breaks(i, current.validates(p.Consumer.Name))
			if err != nil {
				return nil, fmt.Errorf("what %s reads of %s: %w", p.Consumer.Name, i.Key, err)
			}
			for _, b := range broken {
				b.Consumer, b.Event = p.Consumer.Name, i.Key
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Field, b.Field))
	})
	return all, nil
}

// catalogue are the schemas of the events, as text, by their $id.
type catalogue struct {
	texts   map[string][]byte
	parsed  map[string]*schema.Schema
	changed string // the $id of the one that was changed; empty: none
}

func schemas(changed []byte) (catalogue, error) {
	all := catalogue{texts: map[string][]byte{}, parsed: map[string]*schema.Schema{}}
	names, err := fs.Glob(events.Schemas, "schemas/*.json")
	if err != nil {
		return all, err
	}
	for _, name := range names {
		if all.texts[path.Base(name)], err = events.Schemas.ReadFile(name); err != nil {
			return all, err
		}
	}
	if changed == nil {
		return all, nil
	}
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(changed, &head); err != nil {
		return all, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, known := all.texts[head.ID]; !known {
		return all, fmt.Errorf("no event has a schema with the $id %q", head.ID)
	}
	all.texts[head.ID], all.changed = changed, head.ID
	return all, nil
}

func (c catalogue) text(id string) ([]byte, error) {
	if text, has := c.texts[id]; has {
		return text, nil
	}
	return nil, fmt.Errorf("there is no schema %s", id)
}

// touched is whether a schema is the one that was changed, or refers to it.
func (c catalogue) touched(id string) bool {
	return c.changed == "" || id == c.changed || bytes.Contains(c.texts[id], []byte(c.changed))
}

// reader returns the schema of a consumer that needs these fields, as [Schema] has them, of what has a schema with this
// id.
type reader func(fields map[string]any, id string) (*schema.Schema, error)

// validates returns how a consumer reads an event's data.
func (c catalogue) validates(consumer string) reader {
	if !slices.Contains(events.Consumers, events.Service(consumer)) {
		return needs
	}
	return func(_ map[string]any, id string) (*schema.Schema, error) { return c.parse(id) }
}

// needs are the fields alone, with their types.
func needs(fields map[string]any, _ string) (*schema.Schema, error) {
	content, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return schema.Parse(content, nil)
}

func (c catalogue) parse(id string) (*schema.Schema, error) {
	if known := c.parsed[id]; known != nil {
		return known, nil
	}
	text, err := c.text(id)
	if err != nil {
		return nil, err
	}
	c.parsed[id], err = schema.Parse(text, c.text)
	return c.parsed[id], err
}

// breaks compares what is read of one event, and of the envelope around it, with what is promised.
func (c catalogue) breaks(i Interaction, data reader) ([]Break, error) {
	content, err := Decode(i.Contents.Content)
	if err != nil {
		return nil, err
	}
	event, err := events.ParseType(i.Key)
	if err != nil {
		return nil, err
	}
	message, is := content.(map[string]any)
	if !is {
		return nil, fmt.Errorf("a message is an object, not %s", i.Contents.Content)
	}
	inside, err := c.compare(data, Schema("$.data", message["data"], i.MatchingRules), events.SchemaID(event))
	if err != nil {
		return nil, err
	}
	envelope := maps.Clone(message)
	delete(envelope, "data")
	around, err := c.compare(needs, Schema("$", envelope, i.MatchingRules), "envelope.v2.json")
	return append(inside, around...), err
}

// compare compares what is read with the schema of an id. Writers send what their schema declares: they are services
// of ours, and nobody promised a field that it does not declare.
func (c catalogue) compare(reads reader, fields map[string]any, id string) (all []Break, err error) {
	if !c.touched(id) {
		return nil, nil
	}
	promised, err := c.parse(id)
	if err != nil {
		return nil, err
	}
	wanted, err := reads(fields, id)
	if err != nil {
		return nil, err
	}
	for _, r := range schema.Compare(wanted, promised, schema.Lenient).Reasons {
		why := r.What
		if r.Answer == schema.CannotJudge {
			why = "it cannot be judged: " + why
		}
		all = append(all, Break{Field: field(r.Field), Why: why})
	}
	undeclared, err := undeclared(fields, c.texts[id])
	return append(all, undeclared...), err
}

// undeclared are the optional fields that are read and that the writer's schema no longer names. They would just never
// come, and their consumer would do nothing, without an error. Required ones are found by the comparison.
func undeclared(read map[string]any, writer []byte) (all []Break, err error) {
	var declared struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(writer, &declared); err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	required := read["required"].([]string)
	for name := range read["properties"].(map[string]any) {
		if _, named := declared.Properties[name]; !named && !slices.Contains(required, name) {
			all = append(all, Break{Field: name, Why: "the writer does not send it, the reader reads it where it is there"})
		}
	}
	return all, nil
}

// field is a JSON pointer as the tables have it: lines[].sku.
func field(pointer string) string {
	pointer = strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/*", "[]")
	return strings.NewReplacer("/", ".", "~1", "/", "~0", "~").Replace(pointer)
}
