// Package faults makes things go wrong in a running system, by hand: faults at points of the services, processes
// that die, consumers that stand still, and a card gateway that behaves badly.
//
// It keeps nothing: what is armed stands in the processes, what is paused in the broker. Everything goes to the admin
// listeners, which take it only where faults are enabled; whoever sees a page shows what there is now.
package faults

import (
	"context"
	"net/http"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Breaker is a way to the admin listeners.
type Breaker struct {
	system  endpoints.Description
	closing <-chan struct{} // closed when nobody is to be kept waiting any more
}

// New makes a breaker. It asks for nothing yet.
func New(system endpoints.Description, closing <-chan struct{}) *Breaker {
	return &Breaker{system, closing}
}

// patience is how long a process may take to say how it is. One that does not is shown as silent.
const patience = 2 * time.Second

// Picture is all there is to see.
type Picture struct {
	Processes []Process       `json:"processes"`
	Gateway   *gateway.Faults `json:"gateway"` // null: it does not answer
}

// Process is one of a service, and what is wrong with it on purpose.
type Process struct {
	Name      string               `json:"name"`
	Service   events.Service       `json:"service"`
	Answers   bool                 `json:"answers"`
	PID       int                  `json:"pid,omitempty"`
	Since     *time.Time           `json:"since,omitempty"` // when it began
	PausedFor string               `json:"paused_for"`
	Waiting   int                  `json:"waiting"` // events that were not delivered to the service yet
	Faults    []failpoint.Armament `json:"faults"`
	Fired     []failpoint.Fired    `json:"fired"` // last, oldest first
}

// look asks all processes at once: one that hangs keeps nobody waiting for the others.
func (b *Breaker) look(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var all []Process
	for _, of := range events.Services {
		for _, name := range b.system.Replicas(string(of)) {
			all = append(all, Process{Name: name, Service: of, Faults: []failpoint.Armament{}, Fired: []failpoint.Fired{}})
		}
	}
	picture := Picture{Processes: all}
	var asking sync.WaitGroup
	for i := range all {
		asking.Go(func() { b.ask(ctx, &all[i]) })
	}
	asking.Go(func() {
		var faults gateway.Faults
		if b.get(ctx, endpoints.Gateway, "/faults", &faults) == nil {
			picture.Gateway = &faults
		}
	})
	asking.Wait()
	return picture, ctx.Err()
}

// ask fills in what the process says. What it does not say is left as it is.
func (b *Breaker) ask(ctx context.Context, p *Process) {
	var hearing struct {
		PausedFor string `json:"paused_for"`
		Waiting   int    `json:"waiting"`
	}
	if b.get(ctx, p.Name, "/process", p) != nil || b.get(ctx, p.Name, "/faults", p) != nil || b.get(ctx, p.Name, "/faults/fired", p) != nil {
		return
	}
	p.Answers = true
	if b.get(ctx, p.Name, "/consumer", &hearing) == nil { // it does not know while the broker is away
		p.PausedFor, p.Waiting = hearing.PausedFor, hearing.Waiting
	}
}

func (b *Breaker) get(ctx context.Context, process, path string, into any) error {
	return b.system.AskAdmin(ctx, endpoints.AdminRequest{Process: process, Method: http.MethodGet, Path: path}, into)
}

// enabled is nil where faults are enabled. The gateway's listener takes settings everywhere, so they are asked
// for from here only there.
func (b *Breaker) enabled(ctx context.Context) error {
	off := problem.New(http.StatusNotFound, httpx.Off)
	names := b.system.Replicas(string(events.Order))
	if len(names) == 0 {
		return off
	}
	err := b.get(ctx, names[0], "/faults", nil)
	if httpx.Status(err) == http.StatusNotFound {
		return off
	}
	return err
}

// each asks every process of a service.
func (b *Breaker) each(ctx context.Context, process string, r endpoints.AdminRequest) error {
	names := b.system.Replicas(process)
	if len(names) == 0 {
		return problem.New(http.StatusUnprocessableEntity, "there is no such service; there are order, inventory, payment and shipping")
	}
	for _, name := range names {
		r.Process = name
		if err := b.system.AskAdmin(ctx, r, nil); err != nil {
			return err
		}
	}
	return nil
}
