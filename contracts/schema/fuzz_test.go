package schema_test

import (
	"strings"
	"testing"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// FuzzParse: whatever comes, it is a schema that can be used and is compatible with itself, or one clear line.
func FuzzParse(f *testing.F) {
	files, err := events.Schemas.ReadDir("schemas")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := events.Schemas.ReadFile("schemas/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, []byte(`{"order_id": 1}`))
	}
	for _, chapter := range catalogue {
		for _, c := range chapter.changes {
			f.Add([]byte(c.before), []byte(`{"a": 1}`))
			f.Add([]byte(c.after), []byte(`[1e400, ""]`))
		}
	}
	f.Add([]byte(multiplying(3)), []byte(`{`))
	f.Fuzz(func(t *testing.T, text, payload []byte) {
		s, err := schema.Parse(text, resolve)
		if err != nil {
			oneLine(t, err)
			return
		}
		if err := s.Validate(payload); err != nil {
			oneLine(t, err)
		}
		if v := schema.Compare(s, s, schema.Strict); v.Answer != schema.Compatible {
			t.Errorf("it is not compatible with itself: %s", v)
		}
	})
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 400 {
		t.Errorf("not one short line: %q", err)
	}
}
