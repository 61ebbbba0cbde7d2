package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
)

// Every service has the same admin API: collections of things (incidents, dead letters, …) that can be listed,
// shown, and acted upon. What is the same for all collections stands here.

// owner is embedded in whatever is listed: it names the service that has it.
type owner struct {
	Service string `json:"service"`
}

func (o *owner) setService(service string) { o.Service = service }

// owned is a pointer to something with an owner.
type owned[T any] interface {
	*T
	setService(service string)
}

// list asks the services, one after the other, for what they have in a collection.
func list[T any, P owned[T]](
	ctx context.Context, p *program, services []string, collection string, query url.Values, next string,
) ([]T, error) {
	all := []T{}
	for _, service := range services {
		var page map[string]json.RawMessage
		r := endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/" + collection + "?" + query.Encode()}
		if err := p.admin(ctx, r, &page, next); err != nil {
			return nil, err
		}
		var items []T
		if err := json.Unmarshal(page[strings.ReplaceAll(collection, "-", "_")], &items); err != nil {
			return nil, fmt.Errorf("read the %s of %s: %w", collection, service, err)
		}
		for i := range items {
			P(&items[i]).setService(service)
		}
		all = append(all, items...)
	}
	return all, nil
}

// find asks the services for one item, until one of them has it. Noun is what the item is called in the error.
func find[T any, P owned[T]](
	ctx context.Context, p *program, services []string, collection, noun, id string,
) (item T, err error) {
	next := "sagactl " + collection + " list"
	for _, service := range services {
		path := "/" + collection + "/" + url.PathEscape(id)
		err := p.admin(ctx, endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: path}, &item, next)
		var refused *endpoints.Refused
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue
		}
		P(&item).setService(service)
		return item, err
	}
	return item, &Failure{failed, fmt.Errorf("no service has %s %q", noun, id), next + " --all"}
}

// operator is who acts, and why. The services keep both.
type operator struct {
	by, why string
	key     string // the Idempotency-Key
	line    string // what was called
}

func (o *operator) flags(p *program, c *cobra.Command) {
	o.line = p.line
	f := c.Flags()
	f.StringVar(&o.by, "by", p.getenv("USER"), "who does it; it is kept")
	f.StringVar(&o.why, "why", "", "why; it is kept")
	f.StringVar(&o.key, "key", "", "the Idempotency-Key: two requests with one key are one action (a new key)")
	_ = c.MarkFlagRequired("why") // it exists
}

// body is the body that every action has, with the fields that are not empty.
func (o *operator) body(fields map[string]string) (map[string]any, error) {
	if o.by == "" {
		return nil, &Failure{usage, errors.New("nobody does it: USER is not set"), o.line + " --by YOU"}
	}
	if o.key == "" {
		o.key = uuid.NewString()
	}
	body := map[string]any{"by": o.by, "why": o.why}
	for name, value := range fields {
		if value != "" {
			body[name] = value
		}
	}
	return body, nil
}

// act carries an action out, and reads what became of it into the given value.
func (p *program) act(
	ctx context.Context, o operator, service, collection, id, action string, body map[string]any, into any,
) error {
	return p.admin(ctx, endpoints.AdminRequest{
		Process: service, Method: http.MethodPost, Path: "/" + collection + "/" + id + "/" + action, Body: body, Key: o.key,
	}, into, "sagactl "+collection+" show "+id)
}

// admin makes a request to the admin listener of a service.
func (p *program) admin(ctx context.Context, r endpoints.AdminRequest, into any, next string) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	if system.Admin[r.Process] == "" {
		have := strings.Join(slices.Sorted(maps.Keys(system.Admin)), ", ")
		return &Failure{usage, fmt.Errorf("%q has no admin listener; %s have", r.Process, have), next}
	}
	return asked(system.AskAdmin(ctx, r, into), next)
}

// servicesOr are the services that are named, or all.
func servicesOr(names ...string) []string {
	if len(names) > 0 && names[0] != "" {
		return names[:1]
	}
	all := make([]string, len(events.Consumers))
	for i, service := range events.Consumers {
		all[i] = string(service)
	}
	return all
}

func serviceFlag(c *cobra.Command, service *string) {
	c.Flags().StringVar(service, "service", "", "only this service (all)")
}

// showActions prints what operators did, oldest first.
func (p *program) showActions(actions []adminapi.Done) {
	for _, a := range actions {
		fmt.Fprintf(p.out, "done    %s  %s by %s: %s\n        %s → %s\n",
			date(a.At), a.Action, oneLine(a.By), oneLine(a.Why), a.Before, a.After)
	}
}

func date(t time.Time) string { return t.Local().Format(time.DateTime) }

// oneLine keeps a text that a stranger wrote from breaking a table, or driving the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// deref is the text, or nothing where there is none.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
