package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
)

// Build is a folder with the programs of one build.
type Build string

// FindBuild makes sure that dir holds a build's programs: those that every build has had.
func FindBuild(dir string) (Build, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("there is no folder %q", dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the programs: %w", err)
	}
	var missing []string
	for _, name := range []string{"sagactl", "order", "inventory", "payment", "shipping", "nats-server"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("%s lacks the programs %s", dir, strings.Join(missing, ", "))
	}
	return Build(dir), nil
}

// measure starts a fresh system of one build, measures it under each load, and checks it. It uses what all builds
// have in common: the commands of sagactl, run.json, the HTTP API and the subjects of the events.
func (o AgainstOptions) measure(ctx context.Context, b Build, dir string,
	traces float64, replicas int) (results []Result, err error) {
	process, s, err := b.start(ctx, dir, traces, replicas)
	if err != nil {
		return nil, err
	}
	// A minute is more than the supervisor takes to end its programs. How it ended changes nothing of the results.
	defer process.Stop(context.WithoutCancel(ctx), time.Minute) //nolint:errcheck // see above
	stream, err := eventlog.Open(s.NATS)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	saga, err := sagaSide(ctx, s, stream)
	if err != nil {
		return nil, err
	}
	m := meterOf(ctx, s, saga.databases)
	defer m.close(context.WithoutCancel(ctx))
	for _, n := range o.InFlight {
		result, err := measure(ctx, saga, workload{inFlight: n}, o.Duration, m)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, b.verify(ctx, dir)
}

// meterOf reads what a build uses, or nothing where the build does not let us.
func meterOf(ctx context.Context, s endpoints.Description, databases []string) *meter {
	m, err := newMeter(ctx, s.Databases[string(events.Order)], s.PIDs)
	if err != nil {
		return nil
	}
	if _, err := m.read(ctx, databases); err != nil {
		m.close(ctx)
		return nil
	}
	return m
}

// startLimit is how long a build may take to be ready, on a machine that is busy.
const startLimit = 2 * time.Minute

// start runs the build's own supervisor, which knows how its programs are started, and waits for its run.json.
func (b Build) start(ctx context.Context, dir string,
	traces float64, replicas int) (_ *localservers.Process, s endpoints.Description, err error) {
	file := filepath.Join(dir, filepath.Base(endpoints.DefaultFile))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.RemoveAll(file)); err != nil {
		return nil, s, fmt.Errorf("make the folder of a system: %w", err)
	}
	args := []string{"demo", "--scenes", "none", "--faults=false", "--dir", dir, "--bin", string(b)}
	if b.traces(ctx) {
		args = append(args, fmt.Sprint("--traces=", traces))
	}
	for _, service := range events.Services {
		if replicas > 1 { // earlier builds may not have the flag
			args = append(args, fmt.Sprintf("--replicas=%s=%d", service, replicas))
		}
	}
	process, err := b.sagactl(dir, args...)
	if err != nil {
		return nil, s, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err = process.Until(ctx, func(context.Context) (err error) { s, err = endpoints.Read(file); return err })
	if err != nil {
		process.Kill() // its programs end with it
		return nil, s, fmt.Errorf("start the system: %w: see %s", err, logOf(dir, "demo"))
	}
	return process, s, nil
}

// traces says whether the build can record traces at all.
func (b Build) traces(ctx context.Context) bool {
	help, err := exec.CommandContext(ctx, filepath.Join(string(b), "sagactl"), "demo", "--help").Output()
	return err == nil && bytes.Contains(help, []byte("--traces"))
}

// verify lets the build check its own system: what was fast must have been right, too.
func (b Build) verify(ctx context.Context, dir string) error {
	file := filepath.Join(dir, filepath.Base(endpoints.DefaultFile))
	process, err := b.sagactl(dir, "verify", "--at-rest", "--file", file)
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
	case <-ctx.Done():
		process.Kill()
		return ctx.Err()
	}
	if err := process.Wait(); err != nil {
		return fmt.Errorf("after the load, sagactl verify: %w: see %s", err, logOf(dir, "verify"))
	}
	return nil
}

// sagactl starts a command of the build's own sagactl. What it prints goes to a file beside the system's data.
func (b Build) sagactl(dir string, args ...string) (*localservers.Process, error) {
	log, err := os.Create(logOf(dir, args[0]))
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	defer log.Close() // the child has its own descriptor
	return localservers.Start(localservers.Command{Path: filepath.Join(string(b), "sagactl"), Args: args, Log: log})
}

func logOf(dir, command string) string { return filepath.Join(dir, "sagactl-"+command+".log") }
