package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
)

// System is the whole of ordersaga, running.
type System struct {
	options   Options
	folder    *folder
	secrets   secrets
	members   []member
	postgres  *localservers.Postgres
	nats      *localservers.NATS
	databases map[events.Service]localservers.Database
	children  map[string]*child
	order     []string // of the children's start; they are stopped in reverse

	cancel context.CancelFunc
	loops  *errgroup.Group
	once   sync.Once // of Stop

	mu        sync.Mutex
	env       map[string]map[string]string
	published bool // run.json describes the system
}

// Start starts everything and returns when every part is ready. When something does not
// come up, what was started is ended again, and the error is one line with the reason.
func Start(ctx context.Context, o Options) (*System, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	folder, err := openFolder(o.Dir, o.Keep)
	if err != nil {
		return nil, err
	}
	s := &System{options: o, folder: folder, children: map[string]*child{}, env: map[string]map[string]string{}}
	for name, env := range o.Env {
		s.env[name] = maps.Clone(env)
	}
	supervised, cancel := context.WithCancel(context.WithoutCancel(ctx)) // until Stop, not until ctx ends
	s.cancel = cancel
	s.loops, _ = errgroup.WithContext(supervised)
	if err := s.start(ctx, supervised); err != nil {
		if stopping := s.Stop(context.WithoutCancel(ctx)); stopping != nil {
			o.Log.Warn("not ended cleanly", "error", stopping)
		}
		return nil, err // the reason alone; what follows from it would hide it
	}
	return s, nil
}

func (s *System) start(ctx, supervised context.Context) error {
	var err error
	if s.secrets, err = s.folder.secrets(); err != nil {
		return err
	}
	if s.members, err = members(s.options); err != nil {
		return err
	}
	if err := s.startServers(ctx, supervised); err != nil {
		return err
	}
	for _, m := range s.members {
		if m.free {
			continue
		}
		if err := s.startProgram(ctx, supervised, m); err != nil {
			return err
		}
	}
	if err := s.AwaitReady(ctx); err != nil {
		return err
	}
	// Without this, a killed Postgres would write all tables of all databases anew before it takes a connection.
	s.loops.Go(func() error {
		if err := s.postgres.Checkpoint(supervised); err != nil && supervised.Err() == nil {
			s.options.Log.Info("no checkpoint after the start: the recovery of a killed Postgres takes longer", "error", err)
		}
		return nil
	})
	return nil
}

// Stop ends everything: first what takes orders, the servers last. The error names what did not end
// cleanly and was killed. A second Stop does nothing.
func (s *System) Stop(ctx context.Context) error {
	var err error
	s.once.Do(func() { err = s.stop(ctx) })
	return err
}

func (s *System) stop(ctx context.Context) error {
	s.cancel()
	err := s.loops.Wait()
	for _, m := range s.members {
		m.releasePort()
	}
	isSidecar := func(name string) bool {
		return slices.ContainsFunc(s.members, func(m member) bool { return m.name == name && m.of != "" })
	}
	for _, sidecars := range []bool{false, true} { // a sidecar takes what its service has to send at the end
		var stopping errgroup.Group
		for _, name := range slices.Backward(s.order) {
			if name != NATS && name != Postgres && isSidecar(name) == sidecars {
				stopping.Go(func() error { return s.stopChild(ctx, name) })
			}
		}
		err = errors.Join(err, stopping.Wait())
	}
	for _, name := range []string{NATS, Postgres} {
		err = errors.Join(err, s.stopChild(ctx, name))
	}
	return errors.Join(err, s.folder.close())
}

func (s *System) stopChild(ctx context.Context, name string) error {
	c, started := s.children[name]
	if !started {
		return nil
	}
	if err := c.stop(ctx); err != nil {
		return fmt.Errorf("end %s: %w", name, err)
	}
	return nil
}

// Names are the names of all processes, in the order in which they were started.
func (s *System) Names() []string { return slices.Clone(s.order) }

// Describe is where everything listens, and how to log in.
func (s *System) Describe() endpoints.Description {
	r := endpoints.Description{
		URLs: map[string]string{}, Admin: map[string]string{}, AdminToken: s.secrets[adminToken],
		NATS: s.natsURL(observer), Databases: map[string]string{}, PIDs: map[string]int{}, Logs: s.folder.logs(),
	}
	for _, m := range s.members {
		if m.http != 0 {
			r.URLs[m.name] = url(m.http)
		}
		if m.side.metrics != 0 {
			r.URLs[m.name] = url(m.side.metrics)
		}
		if m.admin != 0 {
			r.Admin[m.name] = url(m.admin)
		}
	}
	for service, database := range s.databases {
		r.Databases[string(service)] = database.AuditURL
	}
	for name, c := range s.children {
		c.mu.Lock()
		r.PIDs[name] = c.pid
		c.mu.Unlock()
	}
	return r
}

// Publish writes the description to run.json in the system's directory, and keeps it true from now on.
func (s *System) Publish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published = true
	return s.Describe().Write(s.folder.runFile())
}

// Secrets are the passwords and tokens of this system, which must stand in no log and no event.
func (s *System) Secrets() []string { return slices.Sorted(maps.Values(s.secrets)) }

// Superuser is Postgres' own login, for benchmarks and tests that need more databases on the same server.
func (s *System) Superuser() string { return s.postgres.URL() }

// Passwords are those of a service's database logins, for the same.
func (s *System) Passwords(service events.Service) localservers.Passwords {
	return localservers.Passwords{
		Service: s.secrets[string(service)], Owner: s.secrets[localservers.Owner(service)],
		Audit: s.secrets[localservers.Audit],
	}
}

// Bin is where the programs are.
func (s *System) Bin() string { return s.options.Bin }
