package ijson_test

import (
	"strings"
	"testing"

	"example.com/ordersaga/internal/ijson"
)

func TestRead_TakesOneValueAsItWasSent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"for": "10s"}`:                true,
		` {"for": "é"} `:                true,
		`{"for": "10s", "for": "20s"}`:  false,
		`{"for": "10s", "until": "12"}`: false,
		`{"for": "10s"} {}`:             false,
		`{"for": "10s"`:                 false,
		`{"for": 10}`:                   false,
		"{\"for\": \"\xff\"}":           false,
		`{"for": "\ud800"}`:             false,
		``:                              false,
	} {
		var into struct {
			For string `json:"for"`
		}
		if err := ijson.Read(strings.NewReader(text), &into); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
