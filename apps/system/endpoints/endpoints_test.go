package endpoints_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
)

func example() endpoints.Description {
	return endpoints.Description{
		URLs:       map[string]string{"order": "http://127.0.0.1:1"},
		Admin:      map[string]string{"order": "http://127.0.0.1:2"},
		AdminToken: "secret",
		NATS:       "nats://observer:pw@127.0.0.1:3",
		Databases:  map[string]string{"order": "postgres://audit@127.0.0.1:4/order"},
		PIDs:       map[string]int{"order": 5},
	}
}

func TestDescription_IsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "run.json")
	if err := example().Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := endpoints.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := example(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDescription_FileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "run.json")
	if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := example().Write(file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files in the folder, want run.json alone", len(entries))
	}
}

func TestFind_TheEnvironmentOverridesTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "run.json")
	if err := example().Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := endpoints.Find(file, []string{
		"HOME=/", "ORDERSAGA_ORDER_URL=http://elsewhere", "ORDERSAGA_PAYMENT_DATABASE=postgres://p",
		"ORDERSAGA_NATS=nats://n", "ORDERSAGA_ADMIN_TOKEN=t", "ORDERSAGA_GATEWAY_ADMIN=http://g",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := example()
	want.URLs["order"], want.Databases["payment"], want.Admin["gateway"] = "http://elsewhere", "postgres://p", "http://g"
	want.NATS, want.AdminToken = "nats://n", "t"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFind_WithoutAFileTheEnvironmentIsEnough(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "run.json")
	if _, err := endpoints.Find(none, []string{"HOME=/"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without anything: %v, want fs.ErrNotExist", err)
	}
	s, err := endpoints.Find(none, []string{"ORDERSAGA_ORDER_URL=http://o"})
	if err != nil || s.URLs["order"] != "http://o" {
		t.Errorf("with the environment: %+v, %v", s, err)
	}
}

func TestComplete_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	err := example().Complete()
	want := "the description of the system lacks the inventory database, the payment database, the shipping database, the notification database, the gateway's address"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
