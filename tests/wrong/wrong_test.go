//go:build labs

// Package wrong builds and runs every wrong way of docs/wrong, with the tag labs: `make wrong`.
package wrong

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/testkit/poll"
)

const root = "../.."

var only = flag.String("only", "", "run the ways whose names contain it")

// TestWays_AreRedAsTheirPageHasItAndGreenWithTheRightCode runs the ways, as many at once as -parallel allows.
func TestWays_AreRedAsTheirPageHasItAndGreenWithTheRightCode(t *testing.T) {
	t.Parallel()
	chosen := slices.DeleteFunc(names(t), func(name string) bool { return !strings.Contains(name, *only) })
	if len(chosen) == 0 {
		t.Fatalf("no wrong way has %q in its name", *only)
	}
	for _, name := range chosen {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, name)
			began := time.Now()
			err := r.Wait()
			if t.Logf("%.0f s", time.Since(began).Seconds()); err != nil {
				t.Errorf("%v\n%s", err, r.story.String())
			}
			r.leavesNothing(t)
		})
	}
}

func TestRun_AnInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	r := start(t, names(t)[0])
	poll.Eventually(t, 2*time.Minute, "the wrong system to run", func() error {
		_, err := os.Stat(filepath.Join(r.systems(t), "wrong", "run.json"))
		return err
	})
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(r.story.String(), "sagactl: interrupted\n") {
		t.Errorf("it ended with %v:\n%s", err, r.story.String())
	}
	r.leavesNothing(t)
}

// ports is the folder in which all systems of this machine agree on who has which port.
const ports = "ordersaga-ports"

// names are those of all ways.
func names(t *testing.T) (all []string) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "docs/wrong/*.md"))
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); name != "README" {
			all = append(all, name)
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d ways were found: %v", len(all), err)
	}
	return all
}

// running is `sagactl wrong run`.
type running struct {
	*exec.Cmd
	dir   string // its temporary files
	story bytes.Buffer
}

func start(t *testing.T, name string) *running {
	t.Helper()
	r := &running{dir: t.TempDir()}
	shared := filepath.Join(os.TempDir(), ports) //nolint:usetesting // it is everybody's
	if err := errors.Join(os.MkdirAll(shared, 0o777), os.Symlink(shared, filepath.Join(r.dir, ports))); err != nil {
		t.Fatal(err)
	}
	r.Cmd = exec.CommandContext(t.Context(), "bin/sagactl", "wrong", "run", name)
	r.Dir, r.Env = root, append(os.Environ(), "TMPDIR="+r.dir)
	r.Stdout, r.Stderr = &r.story, &r.story
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// systems is the folder of the systems that it starts; "" before it is made.
func (r *running) systems(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "ordersaga-wrong-*"))
	if err != nil || len(found) > 1 {
		t.Fatal(found, err)
	}
	return strings.Join(found, "")
}

// leavesNothing looks for files, and for processes: each of them has the folder in its environment.
func (r *running) leavesNothing(t *testing.T) {
	t.Helper()
	poll.Eventually(t, 10*time.Second, "all that was started to end", func() error {
		processes, err := exec.CommandContext(t.Context(), "ps", "axeww").Output()
		for line := range strings.Lines(string(processes)) {
			if strings.Contains(line, r.dir) {
				err = errors.Join(err, fmt.Errorf("%.200s", line))
			}
		}
		return err
	})
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 1 || files[0].Name() != ports {
		t.Errorf("files are left behind: %v, %v", files, err)
	}
}
