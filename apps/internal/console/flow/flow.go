// Package flow is the saga's table (events.Saga) as JSON: who publishes and consumes which event, and what each service
// does about it. The flow simulator steps through it in the browser, and follows real orders with it.
package flow

import (
	"encoding/json"
	"fmt"
	"slices"

	"example.com/ordersaga/pkg/events"
)

// Flow is everything that the simulator knows about the saga.
type Flow struct {
	Services []Service `json:"services"`
	Events   []Event   `json:"events"`
	Rules    []Rule    `json:"rules"`
}

// Service is a participant, with the states that its row about an order can be in.
type Service struct {
	Name   events.Service `json:"name"`
	States []State        `json:"states"`
}

// State is a state of a row, and the word that a person reads for it.
type State struct {
	Name string `json:"name"`
	Word Word   `json:"word"`
}

// Event is a kind of event: who publishes it, who consumes it, and an example of what it carries.
type Event struct {
	Name        string           `json:"name"`
	PublishedBy []events.Service `json:"published_by"`
	ConsumedBy  []events.Service `json:"consumed_by"`
	Backward    bool             `json:"backward"` // it belongs to the way back
	Example     json.RawMessage  `json:"example"`
}

// New derives the flow from the contract.
func New() (Flow, error) {
	f := Flow{Rules: rules()}
	for _, service := range events.Services {
		f.Services = append(f.Services, Service{service, states[service]})
	}
	for _, version := range events.Versions() {
		if version.Major > 1 {
			continue // the same event in another form
		}
		example, err := exampleOf(version)
		if err != nil {
			return Flow{}, err
		}
		name := version.Name
		f.Events = append(f.Events, Event{
			Name: name, Backward: slices.Contains(backward, name), Example: example,
			PublishedBy: services(f.Rules, func(r Rule) bool { return slices.Contains(r.Publishes, name) }),
			ConsumedBy:  services(f.Rules, func(r Rule) bool { return r.Consumes == name }),
		})
	}
	return f, nil
}

// services are those that have a rule of a kind, in the order of the forward steps.
func services(rules []Rule, kind func(Rule) bool) []events.Service {
	return slices.DeleteFunc(slices.Clone(events.Services), func(service events.Service) bool {
		return !slices.ContainsFunc(rules, func(r Rule) bool { return r.Service == service && kind(r) })
	})
}

// exampleOf is what the contract shows of an event, without the envelope.
func exampleOf(version events.Version) (json.RawMessage, error) {
	text, err := events.Examples.ReadFile("testdata/" + version.String() + ".json")
	if err != nil {
		return nil, fmt.Errorf("read the example of %s: %w", version, err)
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, fmt.Errorf("read the example of %s: %w", version, err)
	}
	return envelope.Data, nil
}
