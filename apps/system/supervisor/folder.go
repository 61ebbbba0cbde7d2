package supervisor

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// ErrInUse means that another system runs in the directory.
var ErrInUse = errors.New("another system runs here")

// folder is the directory of one running system. It is locked while the system runs.
type folder struct {
	dir  string
	data string // where servers keep theirs; elsewhere when dir is closed to the user who runs them
	lock *os.File
}

// openFolder locks the directory and removes what an earlier run left, unless it is to be kept.
func openFolder(dir string, keep bool) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory for the data: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory: %w", err)
	}
	f := &folder{dir: dir, data: filepath.Join(dir, "data"), lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrInUse, dir), lock.Close())
	}
	if err := f.prepare(keep); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// Runs is whether a system runs in the directory.
func Runs(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	defer lock.Close()
	return errors.Is(syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func (f *folder) prepare(keep bool) error {
	stale := []string{f.runFile()}
	if !keep {
		stale = append(stale, f.data, f.logs(), f.secretsFile())
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	if err := os.MkdirAll(f.logs(), 0o755); err != nil {
		return fmt.Errorf("make the directory for the logs: %w", err)
	}
	var err error
	f.data, err = localservers.DataRoot(f.data)
	return err
}

func (f *folder) logs() string        { return filepath.Join(f.dir, "logs") }
func (f *folder) runFile() string     { return filepath.Join(f.dir, filepath.Base(endpoints.DefaultFile)) }
func (f *folder) secretsFile() string { return filepath.Join(f.dir, "secrets.json") }

// close removes the description, which is stale from now on, and unlocks.
func (f *folder) close() error {
	err := os.RemoveAll(f.runFile())
	if f.data != "" && filepath.Dir(f.data) != f.dir { // among the temporary files: nobody would find it again
		err = errors.Join(err, os.RemoveAll(f.data))
	}
	return errors.Join(err, f.lock.Close())
}

// secrets are the passwords and the token of one system, by login.
type secrets map[string]string

const (
	adminToken = "admin_token"
	observer   = natsadmin.Observer
)

// secrets reads those that the kept data were made with, and makes what is missing: all of them, or those of
// a login that there was not yet.
func (f *folder) secrets() (secrets, error) {
	s := secrets{}
	text, err := os.ReadFile(f.secretsFile())
	if err == nil {
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("read the secrets: %w", err)
		}
	}
	names := []string{"postgres", localservers.Audit, adminToken}
	for _, service := range events.Consumers {
		names = append(names, string(service), localservers.Owner(service))
	}
	for _, login := range natsadmin.Logins() {
		names = append(names, "nats_"+login)
	}
	for _, name := range names {
		if s[name] == "" {
			s[name] = "s" + rand.Text() // a letter first: the broker's configuration reads other words as numbers
		}
	}
	if text, err = json.MarshalIndent(s, "", "  "); err == nil {
		err = os.WriteFile(f.secretsFile(), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("write the secrets: %w", err)
	}
	return s, nil
}
