// Package contracts holds the promises between the services against what the services do.
package contracts

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// schemas compiles every schema of the events, each under its own $id.
func schemas(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	files, err := fs.Glob(events.Schemas, "schemas/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, file := range files {
		content, err := events.Schemas.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(content)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		id, ok := document.(map[string]any)["$id"].(string)
		if !ok {
			t.Fatalf("%s has no $id", file)
		}
		if want := filepath.Base(file); id != want {
			t.Errorf("%s has $id %q", file, id)
		}
		if err := compiler.AddResource("schema:///"+id, document); err != nil {
			t.Fatal(err)
		}
	}
	return compiler
}

func compile(t *testing.T, compiler *jsonschema.Compiler, id string) *jsonschema.Schema {
	t.Helper()
	schema, err := compiler.Compile("schema:///" + id)
	if err != nil {
		t.Fatalf("schema %s: %v", id, err)
	}
	return schema
}

func TestSchemas_EveryGoldenFileFollowsItsSchema(t *testing.T) {
	t.Parallel()
	compiler := schemas(t)
	envelope := compile(t, compiler, "envelope.v2.json")
	for _, version := range events.Versions() {
		data := compile(t, compiler, version.String()+".json")
		t.Run(version.String(), func(t *testing.T) {
			t.Parallel()
			message, err := os.ReadFile("../../pkg/events/testdata/" + version.String() + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var document map[string]any
			if err := json.Unmarshal(message, &document); err != nil {
				t.Fatal(err)
			}
			if err := envelope.Validate(document); err != nil {
				t.Errorf("the envelope: %v", err)
			}
			if err := data.Validate(document["data"]); err != nil {
				t.Errorf("the data: %v", err)
			}
			for _, field := range data.Required {
				without := copied(document["data"])
				delete(without, field)
				if data.Validate(without) == nil {
					t.Errorf("data without the required field %s is accepted", field)
				}
			}
		})
	}
}

// copied is a copy of a JSON object.
func copied(object any) map[string]any {
	return maps.Clone(object.(map[string]any))
}

// asyncAPI is the part of the document about who does what.
type asyncAPI struct {
	Channels map[string]struct {
		Address  string
		Messages map[string]any
	}
	Operations map[string]struct {
		Action  string
		Channel struct {
			Ref string `yaml:"$ref"`
		}
		Tags []struct{ Name string }
	}
}

// participants are the subjects that each sends and receives, by the document.
func participants(t *testing.T) (document asyncAPI, sends, receives map[string][]string) {
	t.Helper()
	if err := yaml.Unmarshal(events.AsyncAPI, &document); err != nil {
		t.Fatal(err)
	}
	sends, receives = map[string][]string{}, map[string][]string{}
	for name, operation := range document.Operations {
		channel, known := document.Channels[strings.TrimPrefix(operation.Channel.Ref, "#/channels/")]
		if !known || len(operation.Tags) != 1 {
			t.Fatalf("operation %s has no channel or not one service", name)
		}
		service := operation.Tags[0].Name
		subject := strings.TrimSuffix(channel.Address, ".{order_id}")
		if operation.Action == "send" {
			sends[service] = append(sends[service], subject)
		} else {
			receives[service] = append(receives[service], subject)
		}
	}
	return document, sends, receives
}

func TestAsyncAPI_IsWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	document, sends, receives := participants(t)
	for _, service := range events.Consumers {
		var consumed []string
		for _, typ := range events.Subscriptions[service] {
			consumed = append(consumed, typ.String())
		}
		same(t, string(service)+" receives", receives[string(service)], consumed)
		var sent []string
		for _, typ := range events.Publications[service] {
			if typ.Service != service {
				t.Errorf("%s sends %s, which is not its own", service, typ)
			}
			sent = append(sent, typ.String())
		}
		same(t, string(service)+" sends", sends[string(service)], sent)
	}
	// The translator consumes one version and publishes the other.
	same(t, "the translator receives", receives[natsadmin.Translator], []string{events.OrderCreatedV2{}.Type().String()})
	same(t, "the translator sends", sends[natsadmin.Translator], []string{events.OrderCreated{}.Type().String()})
	documented := map[string]bool{}
	for _, channel := range document.Channels {
		for message := range channel.Messages {
			documented[message] = true
		}
	}
	for _, version := range events.Versions() {
		name := strings.TrimSuffix(version.String(), ".v1") // the first version goes by the event's name alone
		if !documented[name] {
			t.Errorf("%s is an event in the code, but not in the document", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is in the document, but not an event in the code", name)
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s\n  in the document: %v\n  in the code:     %v", what, got, want)
	}
}
