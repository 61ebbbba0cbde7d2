package supervisor

import (
	"errors"
	"os/exec"
	"testing"
)

func TestChild_HowItEnded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		want   string
	}{
		"by itself":       {"exit 0", "exit status 0"},
		"with an error":   {"exit 3", "exit status 3"},
		"killed":          {"kill -KILL $$", "killed by SIGKILL"},
		"by another sign": {"kill -SEGV $$", "killed by SIGSEGV"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := howEnded(exec.Command("sh", "-c", "ulimit -c 0; "+test.script).Run()); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := howEnded(errors.New("lost")); got != "lost" {
		t.Errorf("got %q", got)
	}
}
