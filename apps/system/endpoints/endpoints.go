// Package endpoints describes a running system: where its parts listen and which logins may read from them. The
// program that starts a system writes the description; sagactl, verify and the tests read it. So the same commands
// drive the system of `make demo` and the containers of `docker compose up`.
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

// DefaultFile is the file with the description of the system, unless another one is named.
const DefaultFile = ".ordersaga/run.json"

// Names among the addresses besides the services'.
const (
	Gateway = "gateway" // the simulated card gateway
	Console = "console" // mission control in the browser
	// Registry keeps the versions of the events' schemas.
	Registry = "registry"
	// Mail is the mail server of the demo; its messages can be read at this address.
	Mail = "mail"
)

// Description is where a running system listens, and how to log in.
type Description struct {
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
func Read(file string) (Description, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Description{}, fmt.Errorf("read where the system runs: %w", err)
	}
	var d Description
	if err := json.Unmarshal(text, &d); err != nil {
		return Description{}, fmt.Errorf("read where the system runs: %s: %w", file, err)
	}
	return d, nil
}

// Write stores the description in file, readable for its owner alone since it holds secrets. A reader that polls for
// the file sees all of it or nothing: it is written to another file and renamed.
func (d Description) Write(file string) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), ".run-*.json") // created with mode 0600
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", err)
	}
	_, err = fresh.Write(append(text, '\n'))
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write where the system runs: %w", errors.Join(err, os.Remove(fresh.Name())))
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
// Without a file the environment alone must be enough.
func Find(file string, environ []string) (Description, error) {
	d, err := Read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Description{}, err
	}
	overridden := d.override(environ)
	if err != nil && !overridden {
		return Description{}, err
	}
	return d, nil
}

// override applies the environment and reports whether there was anything to apply.
func (d *Description) override(environ []string) bool {
	applied := false
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		name, ours := strings.CutPrefix(name, "ORDERSAGA_")
		if ours && value != "" && d.set(strings.ToLower(name), value) {
			applied = true
		}
	}
	return applied
}

func (d *Description) set(name, value string) bool {
	switch name {
	case "admin_token":
		d.AdminToken = value
		return true
	case "nats":
		d.NATS = value
		return true
	}
	for suffix, addresses := range map[string]*map[string]string{"_url": &d.URLs, "_admin": &d.Admin,
		"_database": &d.Databases} {
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
func (d Description) Replicas(service string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d.Admin)), func(process string) bool {
		return process != service && !strings.HasPrefix(process, service+"-")
	})
}

// ServiceOf is the service that a process belongs to: order-2 is a replica of order.
func ServiceOf(process string) events.Service {
	name, _, _ := strings.Cut(process, "-")
	return events.Service(name)
}

// Complete returns an error that names what [verify] would miss; nil when nothing is missing.
func (d Description) Complete() error {
	var missing []string
	for _, service := range events.Consumers {
		if d.Databases[string(service)] == "" {
			missing = append(missing, "the "+string(service)+" database")
		}
	}
	if d.URLs[Gateway] == "" {
		missing = append(missing, "the gateway's address")
	}
	if d.NATS == "" {
		missing = append(missing, "the broker's address")
	}
	if len(missing) > 0 {
		return fmt.Errorf("the description of the system lacks %s", strings.Join(missing, ", "))
	}
	return nil
}
