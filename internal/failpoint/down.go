package failpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// downUntil is the variable by which a process that was killed for a while knows that it is to wait.
const downUntil = "FAULTS_DOWN_UNTIL"

// DieFor ends the process as [Die] does, and keeps it away for d: its memory and its connections are gone at once, and
// the program begins again and waits in [Wait]. Whoever watches over the process sees no end, and so does not start it
// earlier. It works in a container as well. Where the system refuses, the process dies all the same.
func DieFor(d time.Duration) {
	if program, err := os.Executable(); err == nil {
		env := append(os.Environ(), downUntil+"="+time.Now().Add(d).Format(time.RFC3339Nano))
		_ = syscall.Exec(program, os.Args, env) // returns only with an error
	}
	Die()
}

// Wait waits as long as [DieFor] has it, or until ctx ends. In any other process it does nothing.
func Wait(ctx context.Context) error {
	text, found := os.LookupEnv(downUntil)
	if !found {
		return nil
	}
	until, err := time.Parse(time.RFC3339Nano, text)
	if err = errors.Join(err, os.Unsetenv(downUntil)); err != nil {
		return fmt.Errorf("%s: %w", downUntil, err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(until)):
		return nil
	}
}
