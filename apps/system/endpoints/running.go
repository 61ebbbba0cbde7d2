// Package endpoints describes a running system: where its parts listen and which logins may look at
// them. Whoever starts a system writes the description; sagactl, verify and the tests read it. So the
// same commands drive the embedded system and the containers.
package endpoints

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// DefaultFile is where a system describes itself unless it is told otherwise.
const DefaultFile = ".ordersaga/run.json"

// Names among the addresses besides the four services'.
const (
	Gateway = "gateway" // the simulated card gateway
	Console = "console" // mission control in the browser
	// Registry keeps the versions of the events' schemas.
	Registry = "registry"
)

// Mail is the name of the mail server among the addresses: there its messages can be read.
const Mail = "mail"

// System is what a running system says about itself.
type System struct {
	// URLs are the public HTTP addresses, by process.
	URLs map[string]string `json:"urls"`
	// Admin are the addresses of the admin listeners; all want AdminToken as the bearer.
	Admin      map[string]string `json:"admin,omitempty"`
	AdminToken string            `json:"admin_token,omitempty"`
	// NATS is the broker's address with the observer's login, which can look and change nothing.
	NATS string `json:"nats"`
	// Databases are the services' databases with the audit login, which can only read.
	Databases map[string]string `json:"databases"`
	// PIDs are the processes, where they run on this machine.
	PIDs map[string]int `json:"pids,omitempty"`
	// Logs is the folder with one log file per process, where there is one.
	Logs string `json:"logs,omitempty"`
}

// Read reads the description in file. A file that does not exist is fs.ErrNotExist.
func Read(file string) (System, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return System{}, fmt.Errorf("read where the system runs: %w", err)
	}
	var s System
	if err := json.Unmarshal(text, &s); err != nil {
		return System{}, fmt.Errorf("read where the system runs: %s: %w", file, err)
	}
	return s, nil
}

// Write stores the description in file, readable for its owner alone since it holds secrets. Whoever
// waits for the file sees all of it or nothing: it is written beside and renamed.
func (s System) Write(file string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", err)
	}
	beside, err := os.CreateTemp(filepath.Dir(file), ".run-*.json") // created with mode 0600
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", err)
	}
	_, err = beside.Write(append(text, '\n'))
	if err = errors.Join(err, beside.Close()); err == nil {
		err = os.Rename(beside.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", errors.Join(err, os.Remove(beside.Name())))
	}
	return nil
}

// Find reads the description in file and lets the environment override each address:
//
//	ORDERSAGA_<NAME>_URL       a public HTTP address (order, inventory, payment, shipping, gateway, …)
//	ORDERSAGA_<NAME>_ADMIN     an admin listener
//	ORDERSAGA_<NAME>_DATABASE  a database with the audit login
//	ORDERSAGA_ADMIN_TOKEN, ORDERSAGA_NATS
//
// Without a file the environment alone must do.
func Find(file string, environ []string) (System, error) {
	s, err := Read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return System{}, err
	}
	overridden := s.override(environ)
	if err != nil && !overridden {
		return System{}, err
	}
	return s, nil
}

// FromEnv reads a description from the environment alone, as [Find] says.
func FromEnv(environ []string) (System, error) {
	var s System
	if !s.override(environ) {
		return System{}, errors.New("no ORDERSAGA_… variable says where the system runs")
	}
	return s, nil
}

// override applies the environment and says whether there was anything to apply.
func (s *System) override(environ []string) bool {
	applied := false
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		name, ours := strings.CutPrefix(name, "ORDERSAGA_")
		if ours && value != "" && s.set(strings.ToLower(name), value) {
			applied = true
		}
	}
	return applied
}

func (s *System) set(name, value string) bool {
	switch name {
	case "admin_token":
		s.AdminToken = value
		return true
	case "nats":
		s.NATS = value
		return true
	}
	for suffix, addresses := range map[string]*map[string]string{"_url": &s.URLs, "_admin": &s.Admin, "_database": &s.Databases} {
		if process, is := strings.CutSuffix(name, suffix); is {
			if *addresses == nil {
				*addresses = map[string]string{}
			}
			(*addresses)[process] = value
			return true
		}
	}
	return false
}

// Replicas are the processes of a service that have an admin listener: order, order-2, …
func (s System) Replicas(service string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.Admin)), func(process string) bool {
		return process != service && !strings.HasPrefix(process, service+"-")
	})
}

// Complete says what is missing for a look at the whole system, or nil.
func (s System) Complete() error {
	var missing []string
	for _, service := range events.Services {
		if s.Databases[string(service)] == "" {
			missing = append(missing, "the "+string(service)+" database")
		}
	}
	if s.URLs[Gateway] == "" {
		missing = append(missing, "the gateway's address")
	}
	if s.NATS == "" {
		missing = append(missing, "the broker's address")
	}
	if len(missing) > 0 {
		return fmt.Errorf("the description of the system lacks %s", strings.Join(missing, ", "))
	}
	return nil
}
