package httpserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets_StandInFilesAndAreNeverBlank(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	for file, text := range map[string]string{full: "s3cret\n", empty: "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	from := func(file string) (func(string) string, error) {
		env := map[string]string{"ADMIN_TOKEN_FILE": file, "HTTP_ADDR": ":1"}
		return Secrets(func(name string) string { return env[name] })
	}
	getenv, err := from(full)
	if err != nil {
		t.Fatal(err)
	}
	if token, addr := getenv("ADMIN_TOKEN"), getenv("HTTP_ADDR"); token != "s3cret" || addr != ":1" {
		t.Errorf("got %q and %q", token, addr)
	}
	for _, file := range []string{empty, filepath.Join(dir, "missing")} {
		if _, err := from(file); err == nil || !strings.HasPrefix(err.Error(), "ADMIN_TOKEN_FILE: ") ||
			!strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v", file, err)
		}
	}
}
