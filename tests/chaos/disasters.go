//go:build chaos

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/supervisor"
)

// disaster is something that goes wrong, for as long as strike takes or longer.
type disaster struct {
	name   string
	strike func(ctx context.Context, s *storm) error
}

// disasters are all that can happen. What is more frequent stands more than once.
func disasters() []disaster {
	kill := disaster{"a service is killed", func(ctx context.Context, s *storm) error { return s.kill(ctx, s.someone()) }}
	return []disaster{
		kill, kill, kill,
		{"the ambassador is killed", func(ctx context.Context, s *storm) error { return s.kill(ctx, supervisor.Ambassador) }},
		{"the gateway is killed", func(ctx context.Context, s *storm) error { return s.kill(ctx, supervisor.Gateway) }},
		{"a service is paused longer than the broker waits", pause},
		{"the broker is killed", func(ctx context.Context, s *storm) error { return s.kill(ctx, supervisor.NATS) }},
		{"the broker is paused", func(ctx context.Context, s *storm) error {
			if err := s.signal(ctx, supervisor.NATS, syscall.SIGSTOP); err != nil {
				return err
			}
			s.pause(ctx, 2*time.Second)
			return s.Continue(supervisor.NATS)
		}},
		{"the broker's volume is lost", func(ctx context.Context, s *storm) error { return s.WipeBroker(ctx) }},
		{"the broker forgets its last seconds", forgetTail},
		{"the broker's disk is full", fillDisk},
		{"database connections are ended", func(ctx context.Context, s *storm) error { return s.endConnections(ctx) }},
		{"a wire is cut", func(ctx context.Context, s *storm) error { return s.onAWire(ctx, (*Proxy).Cut) }},
		{"a wire is held", func(ctx context.Context, s *storm) error { return s.onAWire(ctx, (*Proxy).Hold) }},
		{"a wire is slow", func(ctx context.Context, s *storm) error {
			return s.onAWire(ctx, func(p *Proxy) { p.Slow(50 * time.Millisecond) })
		}},
		{"messages are doubled", func(ctx context.Context, s *storm) error {
			return s.arm(ctx, s.someone(), `{"point":"relay.before_publish","kind":"duplicate","times":0,"percent":30,"for":"3s"}`)
		}},
		{"deliveries are doubled", func(ctx context.Context, s *storm) error {
			return s.arm(ctx, s.someone(), `{"point":"inbox.received","kind":"duplicate","times":0,"percent":30,"for":"3s"}`)
		}},
		{"messages overtake each other", func(ctx context.Context, s *storm) error {
			return s.arm(ctx, s.someone(), `{"point":"inbox.before_commit","kind":"error","text":"chaos","times":0,"percent":30,"for":"3s"}`)
		}},
		{"the gateway misbehaves", misbehave},
	}
}

// workerDies has a process of payment die with what it has claimed, so that the other one takes it over.
var workerDies = disaster{"a worker dies with what it has claimed", func(ctx context.Context, s *storm) error {
	return s.arm(ctx, "payment", `{"point":"gateway.claimed","kind":"crash"}`)
}}

// kill ends a process as nothing else can.
func (s *storm) kill(ctx context.Context, name string) error {
	return s.signal(ctx, name, syscall.SIGKILL)
}

// signal reaches a process that runs. One that is being started again after the last disaster is waited for.
func (s *storm) signal(ctx context.Context, name string, signal syscall.Signal) error {
	if s.Kill(name, signal) == nil {
		return nil
	}
	return errors.Join(s.AwaitReady(ctx), s.Kill(name, signal))
}

// someone is a process of a service.
func (s *storm) someone() string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(s.Describe().Admin)), func(name string) bool {
		return name == supervisor.Gateway || name == supervisor.Ambassador
	})
	return names[s.dice.IntN(len(names))]
}

// pause puts a process to sleep for longer than the broker waits for its acknowledgements. The other
// replica takes over; what the sleeper then commits must change nothing.
func pause(ctx context.Context, s *storm) error {
	name := s.someone()
	if err := s.signal(ctx, name, syscall.SIGSTOP); err != nil {
		return err
	}
	s.pause(ctx, 7*time.Second)
	return s.Continue(name)
}

func misbehave(ctx context.Context, s *storm) error {
	faults := []string{
		`{"drop_after":40}`, `{"error_after":40}`, `{"error_before":40}`, `{"hang_after":20}`, `{"rate_limited":50}`, `{"latency_ms":300}`,
	}
	if err := s.gateway(ctx, faults[s.dice.IntN(len(faults))]); err != nil {
		return err
	}
	s.pause(ctx, 3*time.Second)
	return s.gateway(ctx, `{}`)
}

// onAWire does something to a wire, and mends it a little later.
func (s *storm) onAWire(ctx context.Context, harm func(*Proxy)) error {
	names := slices.Sorted(maps.Keys(s.wires))
	wire := s.wires[names[s.dice.IntN(len(names))]]
	harm(wire)
	s.pause(ctx, time.Duration(1+s.dice.IntN(3))*time.Second)
	wire.Heal()
	return nil
}

// endConnections has Postgres end every connection of one service, in the middle of whatever it does.
func (s *storm) endConnections(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.Superuser())
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	services := []string{"order", "inventory", "payment", "shipping"}
	_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = $1`, services[s.dice.IntN(len(services))])
	return err
}

// arm arms a fault. A process that is being started again at this moment is spared.
func (s *storm) arm(ctx context.Context, name, fault string) error {
	_ = s.ask(ctx, http.MethodPost, s.Describe().Admin[name]+"/faults", fault)
	s.pause(ctx, time.Second)
	return nil
}

func (s *storm) disarm(ctx context.Context, name string) error {
	return s.ask(ctx, http.MethodDelete, s.Describe().Admin[name]+"/faults", "")
}

// gateway switches what the gateway does wrong. It may be on its way up again.
func (s *storm) gateway(ctx context.Context, faults string) error {
	var err error
	for range 50 {
		if err = s.ask(ctx, http.MethodPut, s.Describe().Admin[supervisor.Gateway]+"/faults", faults); err == nil {
			return nil
		}
		s.pause(ctx, 100*time.Millisecond)
	}
	return err
}

func (s *storm) ask(ctx context.Context, method, url, body string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.Describe().AdminToken)
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(response.Body) // for the message, as far as it goes
		return fmt.Errorf("%s %s answered %s: %s", method, url, response.Status, answer)
	}
	return nil
}
