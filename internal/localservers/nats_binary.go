package localservers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NATSServer finds the nats-server program: NATS_SERVER, else beside the running program, else bin/ of the
// repository, else one built from the module that pkg/go.mod pins.
func NATSServer(ctx context.Context) (string, error) {
	if path := os.Getenv("NATS_SERVER"); path != "" {
		if !isFile(path) {
			return "", fmt.Errorf("NATS_SERVER is %s, but there is no such file", path)
		}
		return path, nil
	}
	if self, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(self), "nats-server"); isFile(path) {
			return path, nil
		}
	}
	module, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(filepath.Dir(module), "bin", "nats-server"); isFile(path) {
		return path, nil
	}
	return buildNATSServer(ctx, module)
}

// buildNATSServer builds the pinned version once into the cache.
func buildNATSServer(ctx context.Context, module string) (string, error) {
	const source = "github.com/nats-io/nats-server/v2"
	version, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Version}}", source)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "nats-server-"+version)
	if isFile(path) {
		return path, nil
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid()) // renamed when whole: others may be building it too
	if _, err := goCommand(ctx, module, "build", "-o", fresh, source); err != nil {
		return "", err
	}
	return path, os.Rename(fresh, path)
}

// moduleDir is where this package's module lies.
func moduleDir(ctx context.Context) (string, error) {
	return goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", "example.com/ordersaga/pkg")
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	if dir != "" {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = errors.New(strings.Join(strings.Fields(string(exit.Stderr)), " "))
	}
	if err != nil {
		return "", fmt.Errorf("no nats-server found (run `make build`, or set NATS_SERVER), and it cannot be built: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
