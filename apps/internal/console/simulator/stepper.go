// Package simulator steps a real order through its saga: every service holds the order's next event, before it handles
// it, until it is released.
//
// It consists of faults of the kind hold (package failpoint), which the services keep. So it has no state of its own:
// whoever asks sees what is held, and a console that is killed releases nothing. The services really wait: while an
// order is held, the service's inbox and the orders behind it wait too.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

const (
	// holdPoint is where an order waits: its event has arrived, and nothing of it is stored. No transaction is open
	// there, so it can wait for long; the broker redelivers the event meanwhile, and the inbox ignores the duplicate.
	holdPoint = failpoint.InboxReceived
	// maxHold bounds how long an order waits when nobody releases it: its deadline is 15 minutes too.
	maxHold = "15m"
	// maxClosed bounds how long the order service publishes nothing while a new order's holds are armed, should the
	// console die meanwhile.
	maxClosed = "10s"
	// restartTime is how long a service that was made to crash may take to come back.
	restartTime = 20 * time.Second
)

// Stepper steps orders through a running system whose faults are enabled.
type Stepper struct {
	system endpoints.Description
	shop   *client.Client
}

// New makes a stepper. It makes no request yet.
func New(system endpoints.Description, shop *client.Client) *Stepper { return &Stepper{system, shop} }

// endings are the outcomes that are decided when an order is placed.
var endings = map[string]struct{ sku, token, country string }{
	"":         {"widget", "tok_visa", "DE"},
	"stock":    {"unobtainium", "tok_visa", "DE"},
	"declined": {"widget", "tok_declined", "DE"},
	"address":  {"widget", "tok_visa", "AQ"},
	"refund":   {"widget", "tok_refund_refused", "AQ"},
}

// place places an order, each step of which is held. Its first event must not leave before the holds are armed, and
// its id is known only when it is stored. So the order service publishes nothing for that moment.
func (s *Stepper) place(ctx context.Context, ending string) (id string, err error) {
	e := endings[ending]
	wanted := client.One(e.sku, 1)
	wanted.Token, wanted.Country = e.token, e.country
	closed, err := s.arm(ctx, events.Order,
		failpoint.Armament{Point: failpoint.RelayTaken, Kind: failpoint.Hold, Times: new(0), For: maxClosed})
	defer func() { err = errors.Join(err, s.disarm(context.WithoutCancel(ctx), closed)) }()
	if err != nil {
		return "", err
	}
	order, _, err := s.shop.Place(ctx, wanted)
	if err != nil {
		return "", err
	}
	return order.Id, s.holdEverywhere(ctx, order.Id, "")
}

// holdEverywhere arms a hold of the order's next event in every service but one that does not hold it yet.
func (s *Stepper) holdEverywhere(ctx context.Context, id string, except events.Service) error {
	for _, service := range events.Services {
		if service == except {
			continue
		}
		armed, err := s.holds(ctx, service, id)
		if err == nil && len(armed) == 0 {
			_, err = s.arm(ctx, service,
				failpoint.Armament{Point: holdPoint, Kind: failpoint.Hold, Order: id, Times: new(0), For: maxHold})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step lets a service handle the event that it holds. The others hold whatever it publishes.
func (s *Stepper) step(ctx context.Context, id string, service events.Service, crash bool) error {
	if err := s.holdEverywhere(ctx, id, service); err != nil {
		return err
	}
	if crash {
		fault := failpoint.Armament{Point: failpoint.RelayBeforePublish, Kind: failpoint.Crash, Order: id}
		if _, err := s.arm(ctx, service, fault); err != nil {
			return err
		}
	}
	return s.release(ctx, id, service)
}

// release disarms what holds the order in some services.
func (s *Stepper) release(ctx context.Context, id string, services ...events.Service) error {
	for _, service := range services {
		armed, err := s.holds(ctx, service, id)
		if err == nil {
			err = s.disarm(ctx, armed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fault is one that is armed in a process.
type fault struct {
	process string
	failpoint.Armament
}

// holds are the faults that hold an order in a service.
func (s *Stepper) holds(ctx context.Context, service events.Service, id string) (all []fault, err error) {
	for _, process := range s.system.Replicas(string(service)) {
		var list struct {
			Faults []failpoint.Armament `json:"faults"`
		}
		request := endpoints.AdminRequest{Process: process, Method: http.MethodGet, Path: "/faults"}
		if err := s.ask(ctx, request, &list); err != nil {
			return nil, err
		}
		for _, f := range list.Faults {
			if f.Kind == failpoint.Hold && f.Order == id {
				all = append(all, fault{process, f})
			}
		}
	}
	return all, nil
}

// arm arms a fault in every replica: any of them may receive the event.
func (s *Stepper) arm(ctx context.Context, service events.Service, f failpoint.Armament) (all []fault, err error) {
	for _, process := range s.system.Replicas(string(service)) {
		armed := fault{process: process}
		request := endpoints.AdminRequest{Process: process, Method: http.MethodPost, Path: "/faults", Body: f}
		if err := s.ask(ctx, request, &armed.Armament); err != nil {
			return all, err
		}
		all = append(all, armed)
	}
	return all, nil
}

func (s *Stepper) disarm(ctx context.Context, all []fault) error {
	for _, f := range all {
		err := s.ask(ctx, endpoints.AdminRequest{Process: f.process, Method: http.MethodDelete, Path: "/faults/" + f.ID}, nil)
		if err != nil && httpx.Status(err) != http.StatusNotFound { // it has crashed since, and holds nothing any more
			return err
		}
	}
	return nil
}

// ask repeats the request until the process answers: one that was made to crash comes back.
func (s *Stepper) ask(ctx context.Context, r endpoints.AdminRequest, into any) error {
	ctx, cancel := context.WithTimeout(ctx, restartTime)
	defer cancel()
	for {
		err := s.system.AskAdmin(ctx, r, into)
		if err == nil || httpx.Status(err) != 0 {
			return err
		}
		if !loop.Rest(ctx, 100*time.Millisecond, nil) {
			return fmt.Errorf("the process does not come back: %w", err)
		}
	}
}
