package httpserver

import (
	"fmt"
	"os"
	"strings"
)

// Secrets is getenv for programs whose secrets may stand in files: where DATABASE_URL_FILE, MIGRATIONS_URL_FILE,
// NATS_URL_FILE or ADMIN_TOKEN_FILE names a file, its text is the variable's value. A file that is missing or
// empty is an error: a program without its secret must not run with a default.
func Secrets(getenv func(string) string) (func(string) string, error) {
	values := map[string]string{}
	for _, name := range []string{"DATABASE_URL", "MIGRATIONS_URL", "NATS_URL", "ADMIN_TOKEN"} {
		file := getenv(name + "_FILE")
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		if values[name] = strings.TrimSpace(string(text)); values[name] == "" {
			return nil, fmt.Errorf("%s_FILE: %s is empty", name, file)
		}
	}
	return func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		return getenv(name)
	}, nil
}
