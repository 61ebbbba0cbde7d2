package systemtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// buildLimit is how long it may take to download and compile everything on a slow machine, once.
const buildLimit = 15 * time.Minute

const modulePath = "example.com/ordersaga"

// programs is where the programs are; they are built if they are nowhere.
func programs(t testing.TB, bin string) string {
	t.Helper()
	if bin == "" {
		bin = os.Getenv("ORDERSAGA_BIN")
	}
	dir, err := os.Getwd()
	for ; bin == "" && err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, found := os.Stat(filepath.Join(dir, "go.work")); found == nil {
			bin = filepath.Join(dir, "bin")
		}
	}
	if bin == "" {
		if bin, err = build(); err != nil {
			t.Fatalf("there is no sagactl: run `make build` in a clone and set ORDERSAGA_BIN to its bin; building it failed: %v",
				err)
		}
	}
	if _, err := os.Stat(filepath.Join(bin, "sagactl")); errors.Is(err, os.ErrNotExist) {
		t.Fatalf("there is no sagactl in %q: run `make build`, or set ORDERSAGA_BIN", bin)
	}
	return bin
}

// build compiles the programs of the version of this package, if that has not been done yet. They are in a folder of
// the version's in the user's cache, and it is there only when it is complete.
func build() (bin string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	version, err := versionOf(ctx, modulePath+"/pkg")
	if err != nil {
		return "", err
	}
	broker, err := versionOf(ctx, "github.com/nats-io/nats-server/v2")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	bin = filepath.Join(cache, "ordersaga", version)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(bin), 0o750); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(bin), "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(unfinished) }() // by then it has its name, or is of no use
	packages := []string{modulePath + "/apps/cmd/...@" + version, "github.com/nats-io/nats-server/v2@" + broker}
	for _, service := range []string{"order", "inventory", "payment", "shipping", "notification"} {
		packages = append(packages, modulePath+"/services/"+service+"/cmd/...@"+version)
	}
	for _, p := range packages {
		install := exec.CommandContext(ctx, "go", "install", p)
		install.Env = append(os.Environ(), "GOBIN="+unfinished, "CGO_ENABLED=0", "GOFLAGS=-trimpath")
		if output, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go install %s: %w: %s", p, err, strings.TrimSpace(string(output)))
		}
	}
	if err := os.Rename(unfinished, bin); err != nil {
		if _, found := os.Stat(bin); found != nil { // another test was not faster either
			return "", err
		}
	}
	return bin, nil
}

// versionOf is the version of a module that the test's own module requires.
func versionOf(ctx context.Context, path string) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-json", path)
	output, err := list.Output()
	if err != nil {
		if exit, is := errors.AsType[*exec.ExitError](err); is {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("go list -m %s: %w", path, err)
	}
	var module struct{ Version string }
	if err := json.Unmarshal(output, &module); err != nil || module.Version == "" {
		return "", fmt.Errorf("%s has no version here, %w", path, err)
	}
	return module.Version, nil
}
