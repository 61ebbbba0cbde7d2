package wrong

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrCannotBuild means that something is missing with which the ways are built.
var ErrCannotBuild = errors.New("a wrong way is built from source")

// Checkout is the repository above the working directory, with what is needed to build from it.
func Checkout() (root string, err error) {
	for _, tool := range []string{"go", "git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w, and there is no %s in the PATH", ErrCannotBuild, tool)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, Folder)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%w, and this folder is in no checkout of ordersaga", ErrCannotBuild)
		}
	}
}

// overlay applies the way's diff to copies below a folder, and returns a file for `go build -overlay`: the compiler
// reads the copies instead of the repository's files, which stay as they are.
func (w Way) overlay(ctx context.Context, root, dir string) (string, error) {
	files, err := w.files(ctx, dir)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, file := range files {
		original, copied := filepath.Join(root, file), filepath.Join(dir, file)
		source, err := os.ReadFile(original)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(copied), 0o700), os.WriteFile(copied, source, 0o600))
		}
		if err != nil {
			return "", fmt.Errorf("the diff of %s does not apply: %w", w.Page, err)
		}
		replace[original] = copied
	}
	if _, err := w.apply(ctx, dir); err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// files are those that the way's diff changes, below the repository's root.
func (w Way) files(ctx context.Context, dir string) (files []string, err error) {
	listed, err := w.apply(ctx, dir, "--numstat", "-z")
	for line := range strings.SplitSeq(strings.TrimSuffix(string(listed), "\x00"), "\x00") {
		if fields := strings.SplitN(line, "\t", 3); len(fields) == 3 { // added, deleted, name
			files = append(files, fields[2])
		}
	}
	return files, err
}

// apply applies the way's diff to the files below a folder, or does with it what the arguments ask for instead.
func (w Way) apply(ctx context.Context, dir string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"apply"}, args...)...)
	command.Dir, command.Stdin = dir, strings.NewReader(w.Diff)
	command.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir)) // whatever repository is around it
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("the diff of %s does not apply: %s", w.Page, strings.TrimSpace(complaint.String()))
	}
	return output, nil
}

// Build compiles the service with the way's diff, and links all other programs as they are. It returns their folder.
func (w Way) Build(ctx context.Context, root, dir string) (bin string, err error) {
	source, bin := filepath.Join(dir, "source"), filepath.Join(dir, "bin")
	if err := errors.Join(os.Mkdir(source, 0o700), os.Mkdir(bin, 0o700)); err != nil {
		return "", err
	}
	overlay, err := w.overlay(ctx, root, source)
	if err != nil {
		return "", err
	}
	// As `make build` does it, so that what that has compiled is not compiled once more.
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay,
		"-o", filepath.Join(bin, w.Service), "./services/"+w.Service+"/cmd/"+w.Service)
	command.Dir, command.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // so that it removes its own folder
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not compile with the diff of %s: %w\n%s", w.Service, w.Page, err, output)
	}
	return bin, linkOthers(filepath.Join(root, "bin"), bin, w.Service)
}

// linkOthers links the programs that were not compiled.
func linkOthers(from, to, compiled string) error {
	programs, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("%w, and there are no programs: run `make build`", ErrCannotBuild)
	}
	for _, program := range programs {
		if program.Name() == compiled {
			continue
		}
		if err := os.Symlink(filepath.Join(from, program.Name()), filepath.Join(to, program.Name())); err != nil {
			return fmt.Errorf("link the programs: %w", err)
		}
	}
	return nil
}
