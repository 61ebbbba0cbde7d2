package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mutant is one guard taken away, and the test that must notice.
type mutant struct {
	name string
	file string // below the workspace's root
	old  string // stands exactly once in the file
	new  string
	dir  string // the module or folder to test in
	test string // the pattern for go test -run
	more []edit // further files, where two guards hide each other
}

// edit is one more replacement of the same mutant.
type edit struct{ file, old, new string }

// matches reports whether the mutant is meant by one of the parts of names. No parts mean all mutants.
func (m mutant) matches(parts []string) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(part string) bool {
		return strings.Contains(m.name+" "+m.file+" "+m.test, part)
	})
}

// verdict is what became of a mutant.
type verdict string

const (
	dead    verdict = "killed"
	alive   verdict = "SURVIVED"
	unknown verdict = "BROKEN" // it could not be judged: the error says why
)

// try runs the test twice: without the mutation it must pass, or its failure would say nothing; with the
// mutation it must fail.
func (m mutant) try(ctx context.Context, root string) (verdict, error) {
	started := time.Now()
	if output, err := m.goTest(ctx, root, ""); err != nil {
		return unknown, fmt.Errorf("the test fails without the mutation:\n%s", output)
	}
	usual := time.Since(started)
	overlay, clean, err := m.overlay(root)
	if err != nil {
		return unknown, err
	}
	defer clean()
	output, err := m.goTest(ctx, root, overlay)
	return judge(output, err, usual)
}

// judge is what a test's run on the mutated source means. Usual is how long it takes on the real one.
func judge(output []byte, err error, usual time.Duration) (verdict, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return alive, nil
	case bytes.Contains(output, []byte("[build failed]")) || bytes.Contains(output, []byte("[setup failed]")):
		return unknown, fmt.Errorf("the mutant does not compile:\n%s", output)
	case bytes.Contains(output, []byte("panic: test timed out")) && usual > limit/4:
		return unknown, fmt.Errorf("no end within %v, on a machine so busy that %.0f s is usual: try it again alone", limit, usual.Seconds())
	case errors.As(err, &exit):
		return dead, nil
	}
	return unknown, err
}

func (m mutant) goTest(ctx context.Context, root, overlay string) ([]byte, error) {
	args := []string{"test", "-count=1", "-vet=off", "-timeout=" + limit.String(), "-run", m.test}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	command := exec.CommandContext(ctx, "go", append(args, ".")...)
	command.Dir = filepath.Join(root, m.dir)
	output, err := command.CombinedOutput()
	if err == nil && bytes.Contains(output, []byte("no tests to run")) {
		return output, fmt.Errorf("no test matches %q", m.test)
	}
	return output, err
}

// overlay writes the mutated sources beside the real ones' names, for the compiler only.
func (m mutant) overlay(root string) (path string, clean func(), err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	replace := map[string]string{}
	for i, e := range append([]edit{{m.file, m.old, m.new}}, m.more...) {
		real := filepath.Join(root, e.file)
		source, err := mutated(replace, real)
		if err != nil {
			clean()
			return "", nil, err
		}
		if n := strings.Count(source, e.old); n != 1 {
			clean()
			return "", nil, fmt.Errorf("%q stands %d times in %s, not once: the mutant is out of date", e.old, n, e.file)
		}
		copied := filepath.Join(dir, fmt.Sprintf("%d_%s", i, filepath.Base(e.file)))
		if err := os.WriteFile(copied, []byte(strings.Replace(source, e.old, e.new, 1)), 0o600); err != nil {
			clean()
			return "", nil, err
		}
		replace[real] = copied
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		path = filepath.Join(dir, "overlay.json")
		err = os.WriteFile(path, content, 0o600)
	}
	return path, clean, err
}

// mutated is the source as far as earlier edits of this mutant have changed it.
func mutated(replace map[string]string, real string) (string, error) {
	if copied, ok := replace[real]; ok {
		real = copied
	}
	source, err := os.ReadFile(real)
	return string(source), err
}

// workspaceRoot is where go.work stands.
func workspaceRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOWORK").Output()
	if err != nil {
		return "", fmt.Errorf("find go.work: %w", err)
	}
	if work := strings.TrimSpace(string(output)); work != "" && work != "off" {
		return filepath.Dir(work), nil
	}
	return "", errors.New("run this inside the workspace: there is no go.work here")
}
