package pact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
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
// this one; nil changes none. What a consumer reads is a schema too, so [schema.Compare] judges. What it cannot judge
// is a break.
func Breaks(changed []byte) (all []Break, err error) {
	current, err := schemas(changed)
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
			broken, err := current.breaks(i)
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

// byID are the schemas of the events, as text, by their $id.
type byID map[string][]byte

func schemas(changed []byte) (byID, error) {
	all := byID{}
	names, err := fs.Glob(events.Schemas, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		id, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "schemas/"), ".json"), ".")
		if all["/schemas/"+id+"/"+version], err = events.Schemas.ReadFile(name); err != nil {
			return nil, err
		}
	}
	if changed == nil {
		return all, nil
	}
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(changed, &head); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, known := all[head.ID]; !known {
		return nil, fmt.Errorf("no event has a schema with the $id %q", head.ID)
	}
	all[head.ID] = changed
	return all, nil
}

func (s byID) text(id string) ([]byte, error) {
	if text, has := s[id]; has {
		return text, nil
	}
	return nil, fmt.Errorf("there is no schema %s", id)
}

// breaks compares what is read of one event, and of the envelope around it, with what is promised.
func (s byID) breaks(i Interaction) ([]Break, error) {
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
	envelope := maps.Clone(message)
	delete(envelope, "data")
	around, err := s.compare(envelope, "/schemas/envelope/v1")
	return append(inside, around...), err
}

// compare compares what is read with the schema of an id. Writers send what their schema declares: they are services
// of ours, and nobody promised a field that it does not declare.
func (s byID) compare(read any, id string) (all []Break, err error) {
	text, err := s.text(id)
	if err != nil {
		return nil, err
	}
	promised, err := schema.Parse(text, s.text)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(Schema(read))
	if err != nil {
		return nil, err
	}
	reads, err := schema.Parse(content, nil)
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
