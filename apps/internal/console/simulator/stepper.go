// Package simulator leads a real order through its saga by hand: every service stands still before it hears what
// the order's next event has to say, until it is released.
//
// It is made of nothing but faults of the kind hold (package fault), which the services keep. So it remembers
// nothing itself: whoever asks sees what is held, and a console that is killed lets nothing go that was not
// released. What it does to a service is real: while an order is held, the service's inbox waits with it, and
// the other orders behind it.
package simulator

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

const (
	// held is where an order waits: its event has arrived, and nothing of it is stored. No transaction is open
	// there, so it can wait for as long as a lesson takes; the broker sends the event again meanwhile, and the
	// inbox absorbs that.
	held = failpoint.InboxReceived
	// longest bounds how long an order can be forgotten: its deadline is 15 minutes too.
	longest = "15m"
	// shut bounds how long the order service publishes nothing while a new order's holds are being armed, should
	// the console die in the middle of that.
	shut = "10s"
	// patience is how long a service that was made to crash may take to come back.
	patience = 20 * time.Second
)

// Stepper leads orders through a running system whose faults are enabled.
type Stepper struct {
	system  endpoints.Description
	shop    *client.Client
	closing <-chan struct{} // closed when nobody is to be kept waiting any more

	mu     sync.Mutex
	stream *eventlog.Stream // where events are read; nil until somebody watches
}

// New makes a stepper. It asks for nothing yet.
func New(system endpoints.Description, closing <-chan struct{}) (*Stepper, error) {
	s, err := client.New(system)
	if err != nil {
		return nil, err
	}
	return &Stepper{system: system, shop: s, closing: closing}, nil
}

// endings are what can be decided about an order only when it is placed.
var endings = map[string]func(*client.NewOrder){
	"":         func(*client.NewOrder) {},
	"stock":    func(w *client.NewOrder) { w.Items[0].Sku = "unobtainium" },
	"declined": func(w *client.NewOrder) { w.Token = "tok_declined" },
	"address":  func(w *client.NewOrder) { w.Country = "AQ" },
	"refund":   func(w *client.NewOrder) { w.Country, w.Token = "AQ", "tok_refund_refused" },
}

// place places an order, every step of which is held. Its first event must not leave before the holds are armed,
// and its id is known only when it is stored. So the order service publishes nothing for that moment.
func (s *Stepper) place(ctx context.Context, ending string) (id string, err error) {
	wish := client.One("widget", 1)
	endings[ending](&wish)
	anything := 0
	doors, err := s.arm(ctx, events.Order, failpoint.Armament{Point: failpoint.RelayTaken, Kind: failpoint.Hold, Times: &anything, For: shut})
	defer func() { err = orElse(err, s.disarm(context.WithoutCancel(ctx), doors)) }()
	if err != nil {
		return "", err
	}
	order, _, err := s.shop.Place(ctx, wish)
	if err != nil {
		return "", err
	}
	return order.Id, s.holdEverywhere(ctx, order.Id, "")
}

// holdEverywhere sees to it that every service but one holds the order's next event.
func (s *Stepper) holdEverywhere(ctx context.Context, id string, but events.Service) error {
	for _, service := range events.Services {
		if service == but {
			continue
		}
		now, err := s.holds(ctx, service, id)
		if err != nil {
			return err
		}
		if len(now) > 0 {
			continue
		}
		always := 0
		if _, err := s.arm(ctx, service, failpoint.Armament{Point: held, Kind: failpoint.Hold, Order: id, Times: &always, For: longest}); err != nil {
			return err
		}
	}
	return nil
}

// release lets a service hear what it holds of the order. Whatever it says is held by the others.
func (s *Stepper) release(ctx context.Context, id string, service events.Service, crash bool) error {
	if err := s.holdEverywhere(ctx, id, service); err != nil {
		return err
	}
	if crash {
		if _, err := s.arm(ctx, service, failpoint.Armament{Point: failpoint.RelayBeforePublish, Kind: failpoint.Crash, Order: id}); err != nil {
			return err
		}
	}
	return s.letGo(ctx, id, service)
}

// letGo disarms what holds the order in a service.
func (s *Stepper) letGo(ctx context.Context, id string, service events.Service) error {
	now, err := s.holds(ctx, service, id)
	if err != nil {
		return err
	}
	return s.disarm(ctx, now)
}

// armed is a fault in the process that keeps it.
type armed struct {
	process string
	failpoint.Armament
}

// holds are the faults that hold an order in a service.
func (s *Stepper) holds(ctx context.Context, service events.Service, id string) ([]armed, error) {
	var all []armed
	for _, process := range s.processes(service) {
		var list struct {
			Faults []failpoint.Armament `json:"faults"`
		}
		if err := s.ask(ctx, endpoints.AdminRequest{Process: process, Method: http.MethodGet, Path: "/faults"}, &list); err != nil {
			return nil, err
		}
		for _, f := range list.Faults {
			if f.Kind == failpoint.Hold && f.Order == id {
				all = append(all, armed{process, f})
			}
		}
	}
	return all, nil
}

func (s *Stepper) arm(ctx context.Context, service events.Service, f failpoint.Armament) ([]armed, error) {
	var all []armed
	for _, process := range s.processes(service) {
		var done failpoint.Armament
		if err := s.ask(ctx, endpoints.AdminRequest{Process: process, Method: http.MethodPost, Path: "/faults", Body: f}, &done); err != nil {
			return all, err
		}
		all = append(all, armed{process, done})
	}
	return all, nil
}

func (s *Stepper) disarm(ctx context.Context, all []armed) error {
	for _, a := range all {
		err := s.ask(ctx, endpoints.AdminRequest{Process: a.process, Method: http.MethodDelete, Path: "/faults/" + a.ID}, nil)
		if err != nil && httpx.Status(err) != http.StatusNotFound { // it has crashed since, and holds nothing any more
			return err
		}
	}
	return nil
}

// processes are the replicas of a service: whichever of them hears an event has to hold it.
func (s *Stepper) processes(service events.Service) []string {
	return s.system.Replicas(string(service))
}

// ask asks until the process answers: one that was made to crash comes back.
func (s *Stepper) ask(ctx context.Context, r endpoints.AdminRequest, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := s.system.AskAdmin(ctx, r, into)
		if err == nil || httpx.Status(err) != 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the process does not come back: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
