package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/ordersaga/internal/localservers"
)

// program is one of our own binaries. Its environment is asked for at each start, so that a restart can
// change it.
type program struct {
	*localservers.Process // of the last start
	path                  string
	log                   string // gets its output, over all its starts
	env                   func() map[string]string
}

// grace is how long a program may take to end by itself: a bit more than the services take to drain.
const grace = 12 * time.Second

// Start starts the program. It does not wait until the program is ready.
func (p *program) Start(context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", filepath.Base(p.path), err)
	}
	defer log.Close() // the child has its own descriptor
	p.Process, err = localservers.Start(localservers.Command{Path: p.path, Env: environment(p.env()), Log: log})
	return err
}

// Stop ends the program by SIGTERM, or by SIGKILL when that does not end it.
func (p *program) Stop(ctx context.Context) error { return p.Process.Stop(ctx, grace) }

// inherited are the variables that every process gets from ours. Nothing else passes: a service must not
// find a database or a secret by accident.
var inherited = regexp.MustCompile(
	`^(PATH|HOME|TMPDIR|TZ|GODEBUG|GOMAXPROCS|GOGC|GOTRACEBACK|GOCOVERDIR|OTEL_.*)$`)

func environment(own map[string]string) []string {
	env := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); inherited.MatchString(name) {
			env[name] = value
		}
	}
	maps.Copy(env, own)
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// lastLine is the end of a program's log: the reason, when it has just ended with an error.
func lastLine(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	var line struct{ Error string }
	if json.Unmarshal([]byte(last), &line) == nil && line.Error != "" { // one of our own programs
		return line.Error
	}
	return last
}
