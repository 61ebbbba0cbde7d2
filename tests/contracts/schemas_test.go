package contracts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// releasedEvents are the schemas of the events as they were last released; make release-contracts moves them.
const releasedEvents = "../../contracts/released/events"

// place is where the schemas are that refer to each other: what was released to what was released, not to what is now.
type place func(file string) ([]byte, error)

func releasedSchemas(file string) ([]byte, error) {
	return os.ReadFile(filepath.Join(releasedEvents, file))
}

func currentSchemas(file string) ([]byte, error) { return events.Schemas.ReadFile("schemas/" + file) }

// parse reads one schema among the others of a place, perhaps with a change.
func (p place) parse(t *testing.T, file string, change func(text string) string) *schema.Schema {
	t.Helper()
	read := func(id string) ([]byte, error) {
		if old, is := strings.CutPrefix(id, "/schemas/"); is { // so 0.1.0 refers to them
			id = strings.ReplaceAll(old, "/", ".") + ".json"
		}
		return p(id)
	}
	text, err := p(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse([]byte(change(string(text))), read)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

func asItIs(text string) string { return text }

// TestGate_NoSchemaBreaksTheReleasedOne: in both directions, since an event of before is still in a stream or a
// dead letter when its reader is new, and is new while its reader is not.
func TestGate_NoSchemaBreaksTheReleasedOne(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(releasedEvents)
	if err != nil || len(files) < 2 {
		t.Fatalf("no released schemas: %v", err)
	}
	for _, file := range files {
		before := place(releasedSchemas).parse(t, file.Name(), asItIs)
		before.Name = "the released version"
		now := place(currentSchemas).parse(t, file.Name(), asItIs)
		if v := schema.Check(schema.Full, now, []*schema.Schema{before}, schema.Lenient); v.Answer != schema.Compatible {
			t.Errorf("%s: this is a new major version beside the old one, not a change of it: %s", file.Name(), v)
		}
	}
}

// TestGate_RefusesASchemaThatBreaksTheReleasedOne prints what it refuses, and why.
func TestGate_RefusesASchemaThatBreaksTheReleasedOne(t *testing.T) {
	t.Parallel()
	const file = "OrderCreated.v1.json"
	before := place(releasedSchemas).parse(t, file, asItIs)
	before.Name = "the released version"
	for _, c := range []struct {
		what, old, changed string
		want               schema.Answer
	}{
		{"a field may be missing", `"total",`, ``, schema.Incompatible},
		{"a field is required that was not there", `"total",`, `"total", "channel",`, schema.Incompatible},
		{"a field has another type", "\"customer_id\": {\n      \"type\": \"string\"", "\"customer_id\": {\n      \"type\": \"integer\"", schema.Incompatible},
		{"a list may be empty", `"minItems": 1,`, ``, schema.Incompatible},
		{"a field is money instead of an address", "/$defs/Address", "/$defs/Money", schema.Incompatible},
		{"how many fields there are is bounded", `"type": "object",`, `"type": "object", "minProperties": 6,`, schema.CannotJudge},
		{"an optional field is new", `"properties": {`, `"properties": { "channel": {"type": "string"},`, schema.Compatible},
		{"a sentence is put better", "An order was accepted", "An order has been accepted", schema.Compatible},
	} {
		after := place(releasedSchemas).parse(t, file, func(text string) string {
			changed := strings.Replace(text, c.old, c.changed, 1)
			if changed == text {
				t.Fatalf("%s: the released schema does not have %q any more", c.what, c.old)
			}
			return changed
		})
		v := schema.Check(schema.Full, after, []*schema.Schema{before}, schema.Lenient)
		switch {
		case v.Answer != c.want:
			t.Errorf("%s: want %s, it is %s", c.what, c.want, v)
		case v.Answer == schema.Compatible:
			t.Logf("accepted: %s", c.what)
		default:
			t.Logf("refused: %s: %s", c.what, v)
		}
	}
}
