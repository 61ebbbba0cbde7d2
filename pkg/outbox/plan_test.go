package outbox

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// note is an event that handles itself: its handler writes down that it ran.
type note struct{ text string }

// Two replicas may each have two keys in hand, each with two events. Whichever arrived first there, both write the
// rows of these keys in the same turns.
func TestSteps_KeysTakeTheirTurnsAndEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ arrived, want string }{
		"one by one":                          {"2a 1b 2c 1a", "1b 1a 2a 2c"},
		"several at once":                     {"2A 1A 3A", "1A+2A+3A"},
		"a key twice":                         {"2A 1A 2B", "1A+2A 2B"},
		"several beside one by one":           {"1a 3A 2A", "1a 2A+3A"},
		"behind an event of the same key":     {"1a 1A 2A", "1a 1A 2A"},
		"and one by one behind several":       {"1A 1a 1b 2A", "1A+2A 1a 1b"},
		"two keys with two events each":       {"1A 1B 2A 2B", "1A+2A 1B+2B"},
		"no call before an earlier event":     {"1a 1A 2A 2B", "1a 1A 2A 2B"},
		"the order of a key is never changed": {"1A 1a 1B 2b", "1A 1a 1B 2b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var turns []string
			record := func(notes ...note) {
				texts := make([]string, len(notes))
				for i, n := range notes {
					texts[i] = n.text
				}
				turns = append(turns, strings.Join(texts, "+"))
			}
			together := HandleBatch(func(_ context.Context, _ pgx.Tx, notes []note) ([]any, error) {
				record(notes...)
				return nil, nil
			})
			alone := Handle(func(_ context.Context, _ pgx.Tx, n note) (any, error) {
				record(n)
				return nil, nil
			})
			var batch []delivery
			for text := range strings.FieldsSeq(test.arrived) {
				d := delivery{key: uuid.UUID{15: text[0]}, handler: &alone, Delivery: Delivery{Received: Received{Event: note{text}}}}
				if strings.ToUpper(text) == text {
					d.handler = &together
				}
				batch = append(batch, d)
			}
			in := &inbox{Config: &Config{}}
			if _, err := in.runSteps(t.Context(), nil, batch); err != nil {
				t.Fatal(err)
			}
			if want := strings.Fields(test.want); !slices.Equal(turns, want) {
				t.Errorf("the steps ran as %v, want %v", turns, want)
			}
		})
	}
}
