//go:build interop

// Package interop has other people's software use a running system: CloudEvents' library reads its events, Pact's
// verifier holds it to its consumers' pacts, and two clients of schema registries use its registry. They are npm's, in
// package.json; make interop installs them in the folder that NODE_PATH names.
package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

func TestInterop(t *testing.T) {
	s := &system{System: kit.Start(t, supervisor.Options{Env: map[string]map[string]string{
		"payment": { // so that a charge which is never made is known to be none within seconds
			"GATEWAY_TIMEOUT": "3s", "GATEWAY_HORIZON": "4s", "CHARGE_BUDGET": "2s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "2s",
		},
		"gateway": {"IN_FLIGHT_HORIZON": "4s"},
	}})}
	s.publishEverything(t)
	all := s.fullest(t)
	t.Run("CloudEvents", func(t *testing.T) { node(t, s.lines(t), "cloudevents.cjs") })
	t.Run("registry", func(t *testing.T) {
		node(t, all["saga.order.OrderCreated.v1"].Raw, "registry.cjs", s.At.URLs["registry"])
	})
	t.Run("pacts", func(t *testing.T) {
		states := httptest.NewServer(s.states(t))
		defer states.Close()
		messages := httptest.NewServer(publishes(all))
		defer messages.Close()
		node(t, nil, append([]string{"pact.cjs", states.URL, messages.URL + "/messages"}, s.providers(t)...)...)
	})
}

// system is one that has published every event there is.
type system struct{ *kit.System }

// publishEverything has sagas end in every way, and an incident in every service.
func (s *system) publishEverything(t *testing.T) {
	t.Helper()
	for _, change := range []func(*client.NewOrder){
		func(*client.NewOrder) {},
		func(o *client.NewOrder) { o.Items[0].Sku = "unobtainium" },
		func(o *client.NewOrder) { o.Token = "tok_declined" },
		func(o *client.NewOrder) { o.Country = "AQ" },
	} {
		wanted := one()
		change(&wanted)
		s.Ends(t, s.Place(t, wanted))
	}
	orders := []string{s.voided(t)}
	for _, service := range events.Services {
		orders = append(orders, s.incident(t, service))
	}
	kit.Must(t, s.Restart(t.Context(), string(events.Order), map[string]string{"ORDER_CREATED_VERSION": "2"}))
	orders = append(orders, s.Place(t, one()))
	for _, id := range orders {
		s.Ends(t, id)
	}
}

// one is an order whose customer wants mails.
func one() client.NewOrder {
	wanted := client.One("widget", 1)
	wanted.Email = "ada@customers.example"
	return wanted
}

// voided is an order that is cancelled before inventory knows of it, so that nothing is ever charged.
func (s *system) voided(t *testing.T) string {
	t.Helper()
	kit.Must(t, s.Kill(string(events.Inventory), syscall.SIGSTOP))
	id := s.Place(t, one())
	_, err := s.Shop.Cancel(t.Context(), id)
	kit.Must(t, err)
	s.AwaitState(t, "payment", "payment", id, "VOIDED")
	kit.Must(t, s.Kill(string(events.Inventory), syscall.SIGCONT))
	return id
}

// incident has a service receive what it cannot read about an order, and a person discard it.
func (s *system) incident(t *testing.T, service events.Service) (id string) {
	t.Helper()
	wanted := one()
	wanted.Token = "tok_error_always" // there is time before it ends
	id = s.Place(t, wanted)
	consumed := events.Subscriptions[service][0]
	env, err := s.Environment(string(consumed.Service))
	kit.Must(t, err)
	nc, err := nats.Connect(env["NATS_URL"])
	kit.Must(t, err)
	defer nc.Close()
	kit.Must(t, nc.Publish(consumed.SubjectOf(id), fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":"/orders","type":%q,"subject":%q,"data":{}}`, uuid.NewString(), consumed, id)))
	kit.Must(t, nc.Flush())
	var page struct {
		Letters []struct{ ID string } `json:"dead_letters"`
	}
	kit.Eventually(t, "the dead letter", func() error {
		err := json.Unmarshal(s.sagactl(t, "dead-letters", "list", "--order", id, "--service", string(service), "-o", "json"), &page)
		if err == nil && len(page.Letters) == 0 {
			err = fmt.Errorf("%s has none of order %s", service, id)
		}
		return err
	})
	for _, letter := range page.Letters {
		s.sagactl(t, "dead-letters", "discard", letter.ID, "--service", string(service), "--why", "it was no event", "--by", "grace")
	}
	return id
}

func (s *system) sagactl(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := s.Sagactl(t.Context(), t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sagactl %v: %v: %s", args, err, out)
	}
	return out
}

// history visits what the stream holds, but for what is no event.
func (s *system) history(t *testing.T, visit func(eventlog.Seen)) {
	t.Helper()
	stream, err := eventlog.Open(s.At.NATS)
	kit.Must(t, err)
	defer stream.Close()
	kit.Must(t, stream.History(t.Context(), "", func(seen eventlog.Seen) error {
		if seen.Problem == nil {
			visit(seen)
		}
		return nil
	}))
}

// fullest are events of every type, those with the most in them, since a pact gives members that an event may lack.
func (s *system) fullest(t *testing.T) map[string]eventlog.Seen {
	t.Helper()
	all := map[string]eventlog.Seen{}
	kit.Eventually(t, "every event to be published", func() error {
		s.history(t, func(seen eventlog.Seen) {
			if len(seen.Raw) > len(all[seen.Envelope.Type].Raw) {
				all[seen.Envelope.Type] = seen
			}
		})
		for _, service := range events.Services {
			for _, p := range events.Publications[service] {
				if _, is := all[p.String()]; !is {
					return fmt.Errorf("%s is not", p)
				}
			}
		}
		return nil
	})
	return all
}

// lines are all events, one a line.
func (s *system) lines(t *testing.T) []byte {
	t.Helper()
	var lines bytes.Buffer
	s.history(t, func(seen eventlog.Seen) {
		kit.Must(t, json.Compact(&lines, seen.Raw))
		lines.WriteByte('\n')
	})
	return lines.Bytes()
}

// providers are the arguments of pact.cjs: who is held to which files.
func (s *system) providers(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../contracts/pact/pacts/*.json")
	kit.Must(t, err)
	of := map[string][]string{}
	for _, file := range files {
		_, provider, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		of[provider] = append(of[provider], file)
	}
	var arguments []string
	for provider, files := range of {
		arguments = append(arguments, provider+"="+s.At.URLs[provider]+"="+strings.Join(files, ","))
	}
	slices.Sort(arguments)
	if len(arguments) == 0 {
		t.Fatal("there are no pacts")
	}
	return arguments
}

// node runs a script of this folder, which must succeed, and logs its lines that begin with "ok: ".
func node(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", args...)
	command.Env = append(command.Environ(), "PACT_DO_NOT_TRACK=1")
	command.Stdin = bytes.NewReader(stdin)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
	for line := range strings.Lines(string(out)) {
		if result, is := strings.CutPrefix(line, "ok: "); is {
			t.Log(strings.TrimSpace(result))
		}
	}
}
