package pact

import (
	"cmp"
	"encoding/json"
	"fmt"
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

// Breaks says who could no longer read what, if the schemas were these: what a consumer reads is a schema too, so it is
// [schema.Compare] that judges. What it cannot judge is called a break.
func (s Schemas) Breaks(pacts []Pact) (all []Break, err error) {
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if i.Type != Message {
				continue
			}
			broken, err := s.breaks(i)
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

// envelope is the id of the schema of what is around every event.
const envelope = "/schemas/envelope/v1"

// breaks compares what is read of one event, and of the envelope around it, with what is promised.
func (s Schemas) breaks(i Interaction) ([]Break, error) {
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
	inside, err := s.compare(message["data"], events.SchemaID(event))
	if err != nil {
		return nil, err
	}
	delete(message, "data")
	around, err := s.compare(message, envelope)
	return append(inside, around...), err
}

// compare holds what is read against the schema of an id. Writers send what their schema declares: they are services
// of ours, and a field that it does not declare is one that nobody promised.
func (s Schemas) compare(read any, id string) (all []Break, err error) {
	promised, err := s.parse(id)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(Schema(read))
	if err != nil {
		return nil, err
	}
	reads, err := schema.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range schema.Compare(reads, promised, schema.Lenient).Reasons {
		why := r.What
		if r.Answer == schema.CannotJudge {
			why = "it cannot be judged: " + why
		}
		all = append(all, Break{Field: field(r.Field), Why: why})
	}
	return all, nil
}

// field is a JSON pointer as the tables have it: lines[].sku.
func field(pointer string) string {
	pointer = strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/*", "[]")
	return strings.NewReplacer("/", ".", "~1", "/", "~0", "~").Replace(pointer)
}
