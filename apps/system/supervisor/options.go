// Package supervisor runs the whole of ordersaga as processes on one machine, without containers: Postgres with
// a database and a login per service, the NATS server, the provisioner, the card gateway, the ambassador,
// the four services of the saga, notification, a mail server that keeps every mail, and the console. `sagactl demo`,
// tests and benchmarks use it.
//
// Every process listens on a port of 127.0.0.1 that was free at the start and stays the same when the
// process is restarted. What dies is started again, with a growing pause. Everything ends with [System.Stop],
// and also when the process that called [Start] is killed.
package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
)

// Names of the processes besides the services, which have the names of package events.
const (
	Postgres    = "postgres"
	NATS        = "nats"
	Provisioner = "provisioner"
	Gateway     = "gateway"
	Ambassador  = "ambassador"
	Translator  = "translator" // only where Options.Translate asks for it
	Mail        = endpoints.Mail
	Console     = endpoints.Console
	Registry    = endpoints.Registry
	// Telemetry is the program that runs as a service's sidecar; see Options.Sidecars.
	Telemetry = "telemetry"
)

// mailsink is the program behind Mail.
const mailsink = "mailsink"

// Options say what to run. The zero value of each field but Dir is a good choice.
type Options struct {
	// Dir keeps the data, the logs and the secrets.
	Dir string
	// Bin holds the programs; empty: where the running program stands, or bin/ of the repository.
	Bin string
	// Keep goes on with the data of an earlier run in Dir. Otherwise it is removed first.
	Keep bool
	// Deadline is how long an order may take before it is cancelled; zero: the order service's default.
	Deadline time.Duration
	// Faults opens the admin listeners for arming faults.
	Faults bool
	// Env is more environment for a process, or for all replicas of a service, by name.
	Env map[string]map[string]string
	// Replicas is how many processes a service has, by name; absent: one. The second of order is order-2.
	Replicas map[string]int
	// Without are services that are not started, by name. Their databases, logins and ports are there, for a program that
	// takes the place; see [System.Environment].
	Without []string
	// Translate runs services that know only the first version of OrderCreated. The translator consumes the second
	// version and publishes it as the first.
	Translate bool
	// Sidecars runs a telemetry sidecar beside each process of a service. It is named after the process: order-sidecar.
	Sidecars bool
	// Traces is the share of orders, from 0 to 1, whose traces are recorded and sent to the console. Of the others those
	// are recorded in part that compensate or open an incident. 0: nothing is recorded.
	Traces float64
	// TracesTo is where they are sent instead, an address of OTLP over HTTP.
	TracesTo string
	// Ports are HTTP ports that are asked for, by process; absent: a free one.
	Ports map[string]int
	// Prefer are HTTP ports of Mail and Console that are taken if they are free; otherwise another one is.
	Prefer map[string]int
	// NoFsync lets a power loss take everything. It is for tests; a benchmark with it measures nothing.
	NoFsync bool
	// Log gets every death and restart; nil: it is discarded.
	Log *slog.Logger
	// Died is called, too, when a process has ended that should not have; may be nil.
	Died func(Death)
}

// Death is the end of a process that was to go on.
type Death struct {
	Process string
	PID     int
	How     string // "killed by SIGKILL", "exit status 1", …
	At      time.Time
}

// services that have an HTTP address, in the order in which they are started.
func httpNames() []string {
	names := []string{Gateway, Ambassador}
	for _, service := range events.Consumers {
		names = append(names, string(service))
	}
	return names
}

// programs are the binaries that must be there.
func programs() []string {
	return append(httpNames(), Provisioner, Translator, mailsink, Console, Registry, "nats-server")
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("a system needs a directory for its data")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("the directory for the data: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Bin, err = findPrograms(o.Bin); err != nil {
		return err
	}
	if o.Sidecars && !isProgram(o.Bin, Telemetry) {
		return fmt.Errorf("%s lacks the program %s: run `make sidecar`", o.Bin, Telemetry)
	}
	if !(o.Traces >= 0 && o.Traces <= 1) {
		return fmt.Errorf("the share of traces is a number from 0 to 1, not %v", o.Traces)
	}
	for name := range o.Replicas {
		if !slices.Contains(events.Consumers, events.Service(name)) {
			return fmt.Errorf("%q is no service that could have replicas", name)
		}
	}
	for _, name := range o.Without {
		if !slices.Contains(events.Consumers, events.Service(name)) {
			return fmt.Errorf("%q is no service that could be left out", name)
		}
	}
	return nil
}

// findPrograms is the directory with all the programs; the error names those that are missing.
func findPrograms(wanted string) (string, error) {
	candidates := []string{wanted}
	if wanted == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the programs: %w", err)
		}
		candidates = append(repositoryBin(), filepath.Dir(self))
		slices.Reverse(candidates) // beside ourselves first
	}
	var missing []string
	for _, dir := range candidates {
		if missing = missingIn(dir); len(missing) == 0 {
			return filepath.Abs(dir)
		}
	}
	return "", fmt.Errorf("%s lacks the programs %s: run `make build`", candidates[len(candidates)-1],
		strings.Join(missing, ", "))
}

func missingIn(dir string) []string {
	return slices.DeleteFunc(programs(), func(name string) bool { return isProgram(dir, name) })
}

func isProgram(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// repositoryBin is bin/ beside the go.work above the working directory: where tests find the programs.
func repositoryBin() []string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, found := os.Stat(filepath.Join(dir, "go.work")); found == nil {
			return []string{filepath.Join(dir, "bin")}
		}
		dir = filepath.Dir(dir)
	}
	return nil
}
