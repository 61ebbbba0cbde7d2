//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// storm is a running system, the wires that it hangs on, and what has happened to it.
type storm struct {
	*kit.System
	dice *rand.Rand
	// wires are the proxies on which the first process of every service reaches its database and the broker.
	wires map[string]*Proxy
	disk  disk // the broker's

	mu     sync.Mutex
	faults map[string]int // by kind
}

// newStorm starts a system with two of every service, and puts the first of each on wires. Customers order at the first
// order service: the other one has its share of the events.
func newStorm(ctx context.Context, t *testing.T, seed uint64) *storm {
	t.Helper()
	s := &storm{dice: rand.New(rand.NewPCG(seed, 0)), wires: map[string]*Proxy{}, faults: map[string]int{}} //nolint:gosec // the schedule must be repeatable, not secret
	dir := kit.Directory(t)
	t.Cleanup(func() { kit.Must(t, s.disk.unmount()) }) // after the system has ended, before its directory goes
	s.System = kit.Start(t, supervisor.Options{
		Dir: dir, Faults: true, Deadline: time.Minute,
		Replicas: map[string]int{"order": 2, "inventory": 2, "payment": 2, "shipping": 2},
		Env: map[string]map[string]string{
			"payment": {"GATEWAY_TIMEOUT": "3s", "GATEWAY_HORIZON": "5s", "CHARGE_BUDGET": "10s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "5s"},
			"gateway": {"IN_FLIGHT_HORIZON": "5s"},
		},
	})
	t.Cleanup(func() {
		for _, wire := range s.wires {
			kit.Must(t, wire.Close())
		}
	})
	kit.Must(t, s.mountDisk(ctx, t))
	for _, service := range events.Consumers {
		kit.Must(t, s.wire(ctx, string(service)))
	}
	return s
}

// wire puts a proxy between a process and its database, and another between it and the broker.
func (s *storm) wire(ctx context.Context, process string) error {
	environment, err := s.Environment(process)
	if err != nil {
		return err
	}
	env := map[string]string{}
	for _, variable := range []string{"DATABASE_URL", "NATS_URL"} {
		address, err := url.Parse(environment[variable])
		if err != nil {
			return fmt.Errorf("%s of %s: %w", variable, process, err)
		}
		wire, err := NewProxy(ctx, address.Host)
		if err != nil {
			return err
		}
		s.wires[process+" "+variable] = wire
		address.Host = wire.Addr()
		env[variable] = address.String()
	}
	return s.Restart(ctx, process, env)
}

// strikes causes one disaster after the other until the time is over; then everything is healed. The first one is
// always a worker's death: that a payment changes hands is what a run is for, and no die decides about it.
func (s *storm) strikes(ctx context.Context, t *testing.T, minutes float64) {
	t.Helper()
	over := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	all := disasters()
	for d := workerDies; time.Now().Before(over) && ctx.Err() == nil; d = all[s.dice.IntN(len(all))] {
		began := time.Now()
		if err := d.strike(ctx, s); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		t.Logf("%s for %v", d.name, time.Since(began).Round(time.Millisecond))
		s.mu.Lock()
		s.faults[d.name]++
		s.mu.Unlock()
		s.pause(ctx, time.Duration(500+s.dice.IntN(1500))*time.Millisecond)
	}
	s.heal(ctx, t)
}

// pause is the time between two disasters, or that one lasts.
func (s *storm) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *storm) heal(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, wire := range s.wires {
		wire.Heal()
	}
	for name := range s.Describe().Admin {
		if name == supervisor.Gateway {
			kit.Must(t, s.gateway(ctx, `{}`))
			continue
		}
		if name != supervisor.Ambassador {
			kit.Eventually(t, "the faults of "+name+" to be cleared", func() error { return s.disarm(ctx, name) })
		}
	}
	kit.Must(t, s.AwaitReady(ctx))
}
