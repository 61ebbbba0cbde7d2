package sagactl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// waiting is how long an order may wait for somebody who takes a free place.
const waiting = time.Hour

// leaveOut sets what a demo with free places does unless it is asked for something else.
func (d *play) leaveOut(asked func(flag string) bool) {
	if len(d.system.Without) > 0 && !asked("scenes") {
		d.scenes = "none"
	}
	if len(d.system.Without) > 0 && !asked("deadline") {
		d.system.Deadline = waiting
	}
}

// checkPlaces is what is wrong with the services that are not to be started.
func (d *play) checkPlaces() error {
	if len(d.system.Without) > 0 && (d.once || d.scenes == "all") {
		return errors.New("the scenes need every service: --without plays none")
	}
	for _, name := range d.system.Without {
		switch {
		case name == string(events.Order):
			return errors.New("order cannot be left out: customers place their orders there")
		case !slices.Contains(events.Consumers, events.Service(name)):
			return fmt.Errorf("%q is no service that can be left out; there are inventory, payment, shipping and notification",
				name)
		case d.many[name] > 0:
			return fmt.Errorf("%s cannot be left out and have replicas", name)
		}
	}
	slices.Sort(d.system.Without)
	d.system.Without = slices.Compact(d.system.Without)
	return nil
}

// showPlace prints what a program needs that takes the place of a service.
func (p *program) showPlace(s *supervisor.System, service events.Service) error {
	out := p.progress()
	env, err := s.Environment(string(service))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n\n", strong.Render("The place of "+string(service)+" is free: start your program with"))
	maps.DeleteFunc(env, func(name, _ string) bool { return strings.HasPrefix(name, "FAULTS_") }) // of our own programs
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(out, "  %s=%s\n", name, env[name])
	}
	fmt.Fprintf(out, "\n  %-12s %s, with the durable pull consumer %s and the inbox prefix %s\n", "stream",
		events.Stream, service, natsadmin.InboxPrefix(string(service)))
	for _, typ := range events.Subscriptions[service] {
		fmt.Fprintf(out, "  %-12s %s\n", "consume", typ.Filter())
	}
	for _, typ := range events.Publications[service] {
		fmt.Fprintf(out, "  %-12s %s\n", "publish", typ.SubjectOf("ORDER_ID"))
	}
	fmt.Fprintf(out, "  %-12s GET /readyz at HTTP_ADDR, and services/%s/api/openapi.yaml\n", "serve", service)
	fmt.Fprintf(out, "  %-12s pkg/events/asyncapi.yaml and pkg/events/schemas\n", "contracts")
	fmt.Fprintf(out, "  %-12s docs/reference/conformance.md\n", "read")
	return nil
}
