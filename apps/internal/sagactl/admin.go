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
	"strconv"
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

// list asks the services, one after the other, for what they have in a collection; next is where the last one's
// following page begins.
func list[T any, P owned[T]](
	ctx context.Context, p *program, services []string, collection string, query url.Values, help string,
) (all []T, next *string, err error) {
	for _, service := range services {
		var page map[string]json.RawMessage
		r := endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/" + collection + "?" + query.Encode()}
		if err := p.admin(ctx, r, &page, help); err != nil {
			return nil, nil, err
		}
		var items []T
		if cursor, paged := page["next"]; paged {
			if err := json.Unmarshal(cursor, &next); err != nil {
				return nil, nil, fmt.Errorf("read the %s of %s: %w", collection, service, err)
			}
		}
		if err := json.Unmarshal(page[strings.ReplaceAll(collection, "-", "_")], &items); err != nil {
			return nil, nil, fmt.Errorf("read the %s of %s: %w", collection, service, err)
		}
		for i := range items {
			P(&items[i]).setService(service)
		}
		all = append(all, items...)
	}
	return all, next, nil
}

// paging is which part of a list is wanted.
type paging struct {
	limit int
	after string
}

func (g *paging) flags(c *cobra.Command) {
	c.Flags().IntVar(&g.limit, "limit", 50, "at most so many; 0: all")
	c.Flags().StringVar(&g.after, "after", "", "the next of the page before")
}

// most is how many items a service is asked for at once.
const most = 500

// page is a part of what all services together have in a collection, the newest first. Place is where an item stands.
func page[T any, P owned[T]](
	ctx context.Context, p *program, services []string, collection string, query url.Values, g paging,
	place func(T) string,
) (items []T, next *string, err error) {
	help := "sagactl " + collection + " list --help"
	if g.limit < 0 {
		return nil, nil, &Failure{usage, fmt.Errorf("--limit is 0 or more, not %d", g.limit), help}
	}
	for _, service := range services {
		for found, after := 0, g.after; ; {
			query.Set("limit", strconv.Itoa(most))
			if g.limit > 0 { // one more shows whether there is a next page
				query.Set("limit", strconv.Itoa(min(g.limit+1-found, most)))
			}
			query.Set("after", after)
			some, next, err := list[T, P](ctx, p, []string{service}, collection, query, help)
			if err != nil {
				return nil, nil, err
			}
			items, found = append(items, some...), found+len(some)
			if next == nil || g.limit > 0 && found > g.limit {
				break
			}
			after = *next
		}
	}
	slices.SortStableFunc(items, func(a, b T) int { return strings.Compare(place(b), place(a)) })
	if g.limit == 0 {
		return items, nil, nil
	}
	items, next = adminapi.Cut(items, g.limit, place)
	return items, next, nil
}

// find asks the services for one item. Two services can have one of the same id: then the operator must name the
// service, and so where one that might have it does not answer. Noun is what the item is called in the error.
func find[T any, P owned[T]](
	ctx context.Context, p *program, service, collection, noun, id string,
) (item T, err error) {
	system, err := p.system()
	if err != nil {
		return item, err
	}
	next := "sagactl " + collection + " list"
	var owners []string
	for _, asked := range servicesOr(service) {
		if service == "" && len(system.Admin) > 0 && system.Admin[asked] == "" {
			continue // its place was left free
		}
		var found T
		path := "/" + collection + "/" + url.PathEscape(id)
		err := p.admin(ctx, endpoints.AdminRequest{Process: asked, Method: http.MethodGet, Path: path}, &found, next)
		if refused, is := errors.AsType[*endpoints.Refused](err); is && refused.Status == http.StatusNotFound {
			continue
		}
		if failure, is := errors.AsType[*Failure](err); is && len(owners) > 0 {
			return item, &Failure{failure.Code, err, p.line + " --service " + owners[0]}
		}
		if err != nil {
			return item, err
		}
		P(&found).setService(asked)
		item, owners = found, append(owners, asked)
	}
	switch len(owners) {
	case 0:
		return item, &Failure{failed, fmt.Errorf("no service has %s %q", noun, id), next + " --all"}
	case 1:
		return item, nil
	}
	err = fmt.Errorf("%s have %s %q: name one with --service", strings.Join(owners, " and "), noun, id)
	return item, &Failure{usage, err, p.line + " --service " + owners[0]}
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
	}, into, "sagactl "+collection+" show "+id+" --service "+service)
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
