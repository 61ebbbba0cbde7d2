package schema_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/schema"
)

// signs are the signs of the catalogue.
var signs = map[rune]schema.Answer{'✓': schema.Compatible, '✗': schema.Incompatible, '?': schema.CannotJudge}

// wants are the answers to a change in every mode: the catalogue has one for each direction, FULL is the worse of them,
// and with one earlier version TRANSITIVE adds nothing.
func wants(verdicts string) map[schema.Mode]schema.Answer {
	both := []rune(verdicts)
	backward, forward := signs[both[0]], signs[both[1]]
	full := max(backward, forward)
	return map[schema.Mode]schema.Answer{
		schema.None: schema.Compatible, schema.Backward: backward, schema.Forward: forward, schema.Full: full,
		schema.BackwardTransitive: backward, schema.ForwardTransitive: forward, schema.FullTransitive: full,
	}
}

func TestCheck_EveryChangeOfTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, chapter := range catalogue {
		for _, c := range chapter.changes {
			t.Run(c.what, func(t *testing.T) {
				t.Parallel()
				before := parse(t, strings.Replace(chapter.frame, "…", c.before, 1))
				after := parse(t, strings.Replace(chapter.frame, "…", c.after, 1))
				for content, verdicts := range map[schema.Content]string{schema.Lenient: c.lenient, schema.Strict: c.strict} {
					for mode, want := range wants(verdicts) {
						v := schema.Check(mode, after, []*schema.Schema{before}, content)
						if v.Answer != want {
							t.Errorf("%s, %s: want %s, it is %s", mode, content, want, v)
						}
						if (v.Answer == schema.Compatible) != (len(v.Reasons) == 0) {
							t.Errorf("%s, %s: an answer and its reasons differ: %s", mode, content, v)
						}
					}
				}
			})
		}
	}
}

func TestCatalogue_IsDocumented(t *testing.T) {
	t.Parallel()
	const file = "../../docs/reference/schema-compatibility.md"
	want := document()
	if os.Getenv("WRITE_CATALOGUE") != "" {
		if err := os.WriteFile(file, want, 0o644); err != nil { //nolint:gosec // documentation, for everybody
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the catalogue says (%v): cd contracts/schema && WRITE_CATALOGUE=1 go test -run Catalogue_ .", file, err)
	}
}

// document is the catalogue for people.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# What a change of a schema means

Each row is a test (` + "`TestCheck_EveryChangeOfTheCatalogue` in `contracts/schema`" + `), and this page is written from that table.
The two signs are **BACKWARD**, the new version reads what the old one wrote, and **FORWARD**, the old one reads what the new one
writes: ✓ compatible, ✗ incompatible, ? cannot be judged. FULL is ✓ where both are; NONE is always ✓; the TRANSITIVE modes compare
with every earlier version.

*Lenient* assumes that a writer sends only what its schema declares. *Strict* does not: undeclared properties may be sent, with any
value. [The rules](../../contracts/schema/doc.go), [how they are used](../contracts.md#schemas-of-events), [why they may decline to
judge](../adr/0016-cannot-judge.md).
`)
	for _, chapter := range catalogue {
		fmt.Fprintf(&b, "\n## %s\n\n", chapter.title)
		if chapter.frame != whole {
			b.WriteString("The schema is that of a required property.\n\n")
		}
		b.WriteString("| Change | From | To | Lenient | Strict | Why |\n|---|---|---|---|---|---|\n")
		for _, c := range chapter.changes {
			fmt.Fprintf(&b, "| %s | `%s` | `%s` | %s | %s | %s |\n", c.what, c.before, c.after, spaced(c.lenient), spaced(c.strict), c.because)
		}
	}
	return b.Bytes()
}

func spaced(signs string) string { return strings.Join(strings.Split(signs, ""), " ") }
