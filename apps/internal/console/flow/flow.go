// Package flow is the saga as data: who says what to whom, and what each service does about it. The flow
// simulator steps through it in the browser, and follows real orders with it.
//
// Who hears what is not written here but taken from the contract (package events); the examples are the ones
// that the contract gives. Only the rules are the simulator's own, and a test holds them to the contract; another
// one replays what real orders have said.
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

// Event is a kind of event: who says it, who hears it, and what it carries, for example.
type Event struct {
	Name     string           `json:"name"`
	SaidBy   []events.Service `json:"said_by"`
	HeardBy  []events.Service `json:"heard_by"`
	Backward bool             `json:"backward"` // it belongs to the way back
	Example  json.RawMessage  `json:"example"`
}

// New derives the flow from the contract.
func New() (Flow, error) {
	f := Flow{Rules: rules}
	for _, service := range events.Services {
		f.Services = append(f.Services, Service{service, states[service]})
	}
	for _, version := range events.Versions() {
		if version.Major > 1 {
			continue // the same event, said in other words
		}
		example, err := exampleOf(version)
		if err != nil {
			return Flow{}, err
		}
		f.Events = append(f.Events, Event{Name: version.Name, SaidBy: sayers(version.Name), HeardBy: listeners(version.Name),
			Backward: slices.Contains(backward, version.Name), Example: example})
	}
	return f, nil
}

// listeners are the services that hear an event, in the order of the forward steps.
func listeners(name string) []events.Service {
	heard := []events.Service{}
	for _, service := range events.Services {
		if slices.ContainsFunc(events.Subscriptions[service], func(t events.Type) bool { return t.Name == name }) {
			heard = append(heard, service)
		}
	}
	return heard
}

// sayers are the services that the rules have say an event.
func sayers(name string) []events.Service {
	said := []events.Service{}
	for _, service := range events.Services {
		if slices.ContainsFunc(rules, func(r Rule) bool { return r.Service == service && slices.Contains(r.Says, name) }) {
			said = append(said, service)
		}
	}
	return said
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
