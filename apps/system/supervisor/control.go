package supervisor

import (
	"context"
	"fmt"
	"maps"
	"syscall"
)

// What can be done to the processes of a running system.

// Kill sends a signal to a process. One that ends by it is started again.
func (s *System) Kill(name string, sig syscall.Signal) error {
	c, err := s.child(name)
	if err != nil {
		return err
	}
	return c.signal(sig)
}

// Pause freezes a process, until [System.Continue]: to its clients it does not answer.
func (s *System) Pause(name string) error { return s.Kill(name, syscall.SIGSTOP) }

// Continue ends a pause.
func (s *System) Continue(name string) error { return s.Kill(name, syscall.SIGCONT) }

// Down ends a process cleanly and keeps it down until [System.Up].
func (s *System) Down(ctx context.Context, name string) error {
	if _, err := s.child(name); err != nil {
		return err
	}
	return s.stopChild(ctx, name)
}

// Up lets a process run again after [System.Down], and waits until it is ready.
func (s *System) Up(ctx context.Context, name string) error {
	c, err := s.child(name)
	if err != nil {
		return err
	}
	c.lift()
	return s.AwaitReady(ctx, name)
}

// Restart ends a process cleanly and starts it again, with more environment than before; an empty value
// unsets a variable. It waits until the process is ready.
func (s *System) Restart(ctx context.Context, name string, env map[string]string) error {
	if err := s.Down(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	if s.env[name] == nil {
		s.env[name] = map[string]string{}
	}
	maps.Copy(s.env[name], env)
	s.mu.Unlock()
	return s.Up(ctx, name)
}

// WipeBroker ends the NATS server, removes all that it had stored, and starts it again.
func (s *System) WipeBroker(ctx context.Context) error {
	if err := s.Down(ctx, NATS); err != nil {
		return err
	}
	if err := s.nats.Wipe(); err != nil {
		return fmt.Errorf("wipe the broker: %w", err)
	}
	return s.Up(ctx, NATS)
}

// BrokerStore is the directory in which the NATS server keeps what it has stored.
func (s *System) BrokerStore() string { return s.nats.Store() }

// Deaths is how often a process has ended that should not have.
func (s *System) Deaths(name string) int {
	c, err := s.child(name)
	if err != nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaths
}

func (s *System) child(name string) (*child, error) {
	if c := s.children[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no process %q; there are %v", name, s.order)
}
