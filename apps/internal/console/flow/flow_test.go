package flow_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"example.com/ordersaga/apps/internal/console/flow"
	"example.com/ordersaga/pkg/events"
)

// contract is who sends and who receives an event, by the AsyncAPI document.
func contract(t *testing.T) (sends, receives map[string][]events.Service) {
	t.Helper()
	var document struct {
		Channels map[string]struct {
			Address string `yaml:"address"`
		} `yaml:"channels"`
		Operations map[string]struct {
			Action  string `yaml:"action"`
			Channel struct {
				Ref string `yaml:"$ref"`
			} `yaml:"channel"`
			Tags []struct {
				Name events.Service `yaml:"name"`
			} `yaml:"tags"`
		} `yaml:"operations"`
	}
	if err := yaml.Unmarshal(events.AsyncAPI, &document); err != nil {
		t.Fatal(err)
	}
	sends, receives = map[string][]events.Service{}, map[string][]events.Service{}
	for _, operation := range document.Operations {
		channel := document.Channels[strings.TrimPrefix(operation.Channel.Ref, "#/channels/")]
		name := strings.Split(channel.Address, ".")[2]
		for _, tag := range operation.Tags {
			side := sends
			if operation.Action == "receive" {
				side = receives
			}
			if slices.Contains(events.Services, tag.Name) && !slices.Contains(side[name], tag.Name) {
				side[name] = append(side[name], tag.Name)
			}
		}
	}
	return sends, receives
}

func TestFlow_IsTheContract(t *testing.T) {
	t.Parallel()
	sends, receives := contract(t)
	f, err := flow.New()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, event := range f.Events {
		names = append(names, event.Name)
		for _, service := range event.PublishedBy {
			if !slices.Contains(sends[event.Name], service) {
				t.Errorf("%s publishes %s, which the contract does not know", service, event.Name)
			}
		}
		if len(event.PublishedBy) == 0 {
			t.Errorf("no rule publishes %s", event.Name)
		}
		consumers := slices.Sorted(slices.Values(event.ConsumedBy))
		if want := slices.Sorted(slices.Values(receives[event.Name])); !slices.Equal(consumers, want) {
			t.Errorf("%s is consumed by %v, in the contract by %v", event.Name, consumers, want)
		}
		if !strings.Contains(string(event.Example), `"order_id"`) {
			t.Errorf("the example of %s is %s", event.Name, event.Example)
		}
	}
	if want := slices.Sorted(maps.Keys(sends)); !slices.Equal(names, want) {
		t.Errorf("the flow has %v, the contract %v", names, want)
	}
}

func TestFlow_EveryRuleIsAllowedByTheContract(t *testing.T) {
	t.Parallel()
	f, err := flow.New()
	if err != nil {
		t.Fatal(err)
	}
	events, states := map[string]flow.Event{}, map[string]bool{}
	for _, event := range f.Events {
		events[event.Name] = event
	}
	for _, service := range f.Services {
		states[string(service.Name)+" "] = true // no row
		for _, state := range service.States {
			states[string(service.Name)+" "+state.Name] = true
		}
	}
	answered := map[string]bool{}
	for _, rule := range f.Rules {
		if (rule.Consumes == "") == (rule.By == "") {
			t.Errorf("%+v is made to happen by one of an event and somebody", rule)
		}
		if rule.Consumes != "" && !slices.Contains(events[rule.Consumes].ConsumedBy, rule.Service) {
			t.Errorf("%s does not consume %s", rule.Service, rule.Consumes)
		}
		answered[string(rule.Service)+" "+rule.Consumes] = true
		for _, state := range append(rule.From, rule.To) {
			if !states[string(rule.Service)+" "+state] {
				t.Errorf("%s has no state %q", rule.Service, state)
			}
		}
	}
	for _, event := range f.Events {
		for _, service := range event.ConsumedBy {
			if !answered[string(service)+" "+event.Name] {
				t.Errorf("%s consumes %s, and no rule describes what it does", service, event.Name)
			}
		}
	}
}
