package pacttest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"example.com/ordersaga/contracts/pact"
)

// Keep compares the files of a consumer with what its tests have found, by provider: the pacts, and for every event the
// subset of its schema that is read. WRITE_PACTS=1 writes them instead.
func Keep(t testing.TB, consumer string, found map[string][]pact.Interaction) {
	t.Helper()
	files := map[string][]byte{}
	for provider, interactions := range found {
		p := pact.New(consumer, provider, interactions...)
		content, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join("pacts", p.File())] = content
		for _, i := range interactions {
			if i.Type == pact.Message {
				files[filepath.Join("reads", consumer+"."+i.Key+".json")] = subset(t, consumer, i)
			}
		}
	}
	folder := filepath.Join(repository(t), "contracts", "pact")
	for name, content := range files {
		keep(t, filepath.Join(folder, name), content)
	}
	for _, pattern := range []string{"pacts/" + consumer + "-*.json", "reads/" + consumer + ".saga.*.json"} {
		kept, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range kept {
			if name, err := filepath.Rel(folder, file); err != nil || files[name] == nil {
				t.Errorf("%s is about something that %s reads no more", file, consumer)
			}
		}
	}
}

// keep holds one file against what it should be.
func keep(t testing.TB, file string, content []byte) {
	t.Helper()
	if os.Getenv("WRITE_PACTS") != "" {
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("%s is not what is read now, %v; make pacts writes it anew:\n%s", file, err, content)
	}
}

// subset is what a consumer reads of an event's data, as a schema.
func subset(t testing.TB, consumer string, i pact.Interaction) []byte {
	t.Helper()
	content, err := pact.Decode(i.Contents.Content)
	if err != nil {
		t.Fatal(err)
	}
	data := content.(map[string]any)["data"]
	schema := pact.Schema("$.data", data, i.MatchingRules)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "What " + consumer + " reads of " + i.Key
	encoded, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(encoded, '\n')
}
