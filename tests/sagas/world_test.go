package sagas

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/world"
)

// processes are a running system whose every process can be ended, and its customers.
type processes struct {
	*world.World
	*supervisor.System
	dir string
}

// open starts a system. When the test ends, everything must hold, and everything ends.
func open(t *testing.T, o supervisor.Options) *processes {
	t.Helper()
	w := &processes{dir: directory(t)}
	o.Dir, o.Bin, o.NoFsync = w.dir, os.Getenv("ORDERSAGA_BIN"), true
	var err error
	if w.System, err = supervisor.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("the system did not end cleanly: %v", err)
		}
	})
	w.World = world.Of(t, w.Describe())
	return w
}

// directory is where a system keeps its data and logs. It stays when the test has failed.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sagas-") //nolint:usetesting // the logs of a failed test must stay
	if err == nil {
		err = os.Chmod(dir, 0o755) // Postgres runs as another user and must reach its data
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs stay in %s", filepath.Join(dir, "logs"))
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// secret is a password that no description tells: system keeps them in its directory.
func (w *processes) secret(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil || secrets[name] == "" {
		t.Fatalf("there is no secret %q: %v", name, err)
	}
	return secrets[name]
}

// hold keeps a service from going beyond a point with an order, until it is released.
func (w *processes) hold(t *testing.T, service string, at failpoint.Point, id string) (release func()) {
	t.Helper()
	var armed failpoint.Armament
	ask := func(method, path string, body any) {
		t.Helper()
		err := w.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: method, Path: path, Body: body}, &armed)
		if err != nil && method == http.MethodPost && body != nil {
			t.Fatal(err)
		}
	}
	ask(http.MethodPost, "/faults", failpoint.Armament{Point: at, Kind: failpoint.Hold, Order: id, Times: new(int)})
	return func() { ask(http.MethodDelete, "/faults/"+armed.ID, nil) }
}
