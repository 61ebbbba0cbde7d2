package sagactl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/verify"
)

func TestVerify_ReadsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	read := func(text string) ([]verify.Acknowledged, error) {
		file := filepath.Join(t.TempDir(), "acknowledged.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readAcknowledged(file)
	}
	all, err := read("{\"id\": \"a\", \"status\": \"PENDING\"}\n{\n\t\"id\": \"b\", \"idempotency_key\": \"k\"}")
	if err != nil || len(all) != 2 || all[0].OrderID != "a" || all[1].OrderID != "b" || all[1].Key != "k" {
		t.Errorf("read %+v (%v)", all, err)
	}
	for text, want := range map[string]string{
		"{\"id\": \"a\"} {}":      "answer 2 in ",
		"{\"id\": \"a\"} nothing": "answer 2 in ",
		"[]":                      "answer 1 in ",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := readAcknowledged(filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a file that is not there was read")
	}
	if all, err := readAcknowledged(""); err != nil || all != nil {
		t.Errorf("without a file: %v, %v", all, err)
	}
}
