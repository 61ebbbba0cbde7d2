//go:build outside

// Package outside tests what another team does with our modules: it requires a version of the test kit, with no clone, no
// workspace and no replacement, and its tests run.
package outside

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const path = "example.com/ordersaga"

// version is of this run alone, since the module cache keeps what it has seen of a version.
var version = fmt.Sprintf("v0.0.0-outside.%d", time.Now().Unix())

func TestModule_AnotherTeamsTestsRun(t *testing.T) {
	proxy := publish(t)
	t.Cleanup(func() { forget(t) })
	dir := t.TempDir()
	write(t, dir, "go.mod", "module shop.example/orders\n\ngo 1.26.0\n")
	write(t, dir, "shop_test.go", read(t, "testdata/shop_test.go"))
	environment := append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GONOSUMDB="+path+"/*", "GOPROXY=file://"+proxy+","+proxies(t),
		"XDG_CACHE_HOME="+t.TempDir(), "GOCACHE="+strings.TrimSpace(goPrints(t, ".", "env", "GOCACHE")), "ORDERSAGA_BIN=")
	in := func(name string, args ...string) *exec.Cmd {
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir, command.Env = dir, environment
		return command
	}
	run(t, in("go", "get", "-t", path+"/pkg/testkit/systemtest@"+version))
	run(t, in("go", "mod", "tidy"))
	run(t, in("go", "vet", "."))
	run(t, in("go", "test", "-count=1", "-v", "."))

	run(t, in("go", "test", "-c", "-o", "shop.test", "."))
	without := in(filepath.Join(dir, "shop.test"))
	without.Env = append(without.Env, "PATH=/nowhere", "XDG_CACHE_HOME="+t.TempDir())
	out, err := without.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("run `make build` in a clone and set ORDERSAGA_BIN")) || bytes.Contains(out, []byte("panic")) {
		t.Errorf("without Go and programs: %v, %s", err, out)
	}
}

// publish makes a proxy of all modules as a release has them: tagged, and without replacements.
func publish(t *testing.T) (proxy string) {
	t.Helper()
	clone, proxy := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	run(t, exec.CommandContext(t.Context(), "git", "clone", "-q", "../..", clone))
	modules := bufio.NewScanner(strings.NewReader(goPrints(t, clone, "list", "-m", "-f", "{{.Path}} {{.Dir}}")))
	count := 0
	for modules.Scan() {
		name, dir, _ := strings.Cut(modules.Text(), " ")
		release(t, proxy, module.Version{Path: name, Version: version}, dir)
		count++
	}
	if count == 0 {
		t.Fatal("there are no modules")
	}
	return proxy
}

func release(t *testing.T, proxy string, m module.Version, dir string) {
	t.Helper()
	file, err := modfile.Parse("go.mod", []byte(read(t, filepath.Join(dir, "go.mod"))), nil)
	must(t, err)
	for _, r := range file.Replace {
		must(t, file.DropReplace(r.Old.Path, r.Old.Version))
	}
	for _, r := range file.Require {
		if strings.HasPrefix(r.Mod.Path, path+"/") {
			must(t, file.AddRequire(r.Mod.Path, version))
		}
	}
	file.Cleanup()
	text, err := file.Format()
	must(t, err)
	write(t, dir, "go.mod", string(text))
	versions := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	must(t, os.MkdirAll(versions, 0o750))
	write(t, versions, version+".mod", string(text))
	write(t, versions, version+".info", fmt.Sprintf(`{"Version":%q,"Time":%q}`, version, time.Now().UTC().Format(time.RFC3339)))
	write(t, versions, "list", version+"\n")
	archive, err := os.Create(filepath.Join(versions, version+".zip"))
	must(t, err)
	must(t, zip.CreateFromDir(archive, m, dir))
	must(t, archive.Close())
}

// forget removes this run's version from the module cache.
func forget(t *testing.T) {
	t.Helper()
	cache := strings.TrimSpace(goPrints(t, ".", "env", "GOMODCACHE"))
	for _, pattern := range []string{path + "/*@" + version, path + "/*/*@" + version, "cache/download/" + path + "/*/@v/" + version + ".*",
		"cache/download/" + path + "/*/*/@v/" + version + ".*"} {
		found, err := filepath.Glob(filepath.Join(cache, filepath.FromSlash(pattern)))
		must(t, err)
		for _, what := range found {
			run(t, exec.CommandContext(context.WithoutCancel(t.Context()), "chmod", "-R", "u+w", what)) // it is read-only
			must(t, os.RemoveAll(what))
		}
	}
}

// proxies is where other people's modules come from.
func proxies(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(goPrints(t, ".", "env", "GOPROXY"))
}

func goPrints(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "go", args...)
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	return string(out)
}

func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, out)
	}
	t.Logf("%v\n%s", command.Args, bytes.TrimSpace(out))
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	return string(text)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
