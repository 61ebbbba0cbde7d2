package sagactl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ordersaga/internal/adminapi"
)

func (p *program) incidents() *cobra.Command {
	service := ""
	show := command("show ID", "Shows an incident, what was done about it, and what can be done now.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return p.showIncident(ctx, service, args[0]) })
	serviceFlag(show, &service)
	return group("incidents", "Shows with which orders the services cannot go on, and repairs them.",
		p.incidentsList(), show, p.incidentsRetry(), p.incidentsResolve(), p.incidentsClose())
}

// incident is one in a list.
type incident struct {
	owner
	adminapi.Incident
}

// incidentDetails are all that its service knows about one.
type incidentDetails struct {
	incident
	State    json.RawMessage `json:"state"`
	Possible []adminapi.Step `json:"possible"`
	Actions  []adminapi.Done `json:"actions"`
}

func (p *program) incidentsList() *cobra.Command {
	var part paging
	order, all := "", false
	c := command("list [SERVICE]", "Lists open incidents, newest first.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) error {
			query := url.Values{"open": {strconv.FormatBool(!all)}}
			if order != "" {
				query.Set("order", order)
			}
			place := func(i incident) string { return i.Cursor() }
			found, next, err := page(ctx, p, servicesOr(args...), "incidents", query, part, place)
			if err != nil {
				return err
			}
			const headings = "ID,SERVICE,KIND,ORDER,OPENED,RESOLVED,REASON"
			return showList(p, "incidents", headings, found, next, func(i incident) []string {
				return []string{i.ID, i.Service, i.Kind, i.OrderID, date(i.OpenedAt), deref(i.Resolution), i.Reason}
			})
		})
	c.Flags().StringVar(&order, "order", "", "only those of this order")
	c.Flags().BoolVar(&all, "all", false, "those that are resolved, too")
	part.flags(c)
	return c
}

func (p *program) incident(ctx context.Context, service, id string) (incidentDetails, error) {
	return find[incidentDetails](ctx, p, service, "incidents", "an incident", id)
}

func (p *program) showIncident(ctx context.Context, service, id string) error {
	d, err := p.incident(ctx, service, id)
	if err != nil {
		return err
	}
	return p.show(d, func() {
		status := "open"
		if !d.Open() {
			status = "resolved: " + *d.Resolution
		}
		fmt.Fprintf(p.out, "%s  %s of %s, %s\norder   %s\nreason  %s\nstate   %s\n",
			strong.Render(d.ID), d.Kind, d.Service, status, d.OrderID, d.Reason, d.State)
		p.showActions(d.Actions)
		for _, step := range d.Possible {
			fmt.Fprintf(p.out, "can     %s: %s\n", strings.TrimSpace(step.Action+" "+step.Outcome), step.Means)
		}
	})
}

// repair is what the operator decides about an incident.
type repair struct {
	operator
	service, expect              string
	outcome, refundID, reference string
}

func (p *program) incidentsRetry() *cobra.Command {
	var r repair
	c := p.repairCommand(&r, "retry", "Has what failed tried again.")
	c.Long = `Has what failed tried again. An unknown outcome is asked for under the same key. A refund that was refused
for good is asked for under the next one, as far as the gateway does not show that the money is back.`
	c.Example = "  sagactl incidents retry 0197… --why 'the gateway gives refunds again'"
	return c
}

func (p *program) incidentsResolve() *cobra.Command {
	var r repair
	c := p.repairCommand(&r, "resolve", "Records how what failed has ended, as far as the gateway confirms it.")
	c.Example = `  sagactl incidents resolve 0197… --outcome refund --refund-id re_7 --why 'refunded at the gateway'
  sagactl incidents resolve 0197… --outcome settlement --reference 'transfer 4711' --why 'the card has expired'`
	c.Flags().StringVar(&r.outcome, "outcome", "", "captured, declined, refund or settlement")
	c.Flags().StringVar(&r.refundID, "refund-id", "", "the refund that the gateway shows")
	c.Flags().StringVar(&r.reference, "reference", "", "the settlement's reference, at whoever made it")
	_ = c.MarkFlagRequired("outcome")
	return c
}

func (p *program) incidentsClose() *cobra.Command {
	var o operator
	service := ""
	c := command("close ID", "Closes an incident lost_commits, once a person has made up for what was lost.",
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			body, err := o.body(nil)
			if err != nil {
				return err
			}
			d, err := p.incident(ctx, service, args[0])
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if err := p.act(ctx, o, d.Service, "incidents", d.ID, "close", body, &answer); err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(answer)
			}
			return p.showIncident(ctx, d.Service, d.ID)
		})
	o.flags(p, c)
	serviceFlag(c, &service)
	return c
}

func (p *program) repairCommand(r *repair, action, short string) *cobra.Command {
	c := command(action+" ID", short, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		return p.repair(ctx, args[0], action, *r)
	})
	r.flags(p, c)
	serviceFlag(c, &r.service)
	c.Flags().StringVar(&r.expect, "expect", "",
		"do it only if the state still is this one, for example REFUND_REFUSED:1 (the state that it has now)")
	return c
}

// repair carries an action out, for the state that the operator has seen.
func (p *program) repair(ctx context.Context, id, action string, r repair) error {
	body, err := r.body(
		map[string]string{"outcome": r.outcome, "refund_id": r.refundID, "reference": r.reference})
	if err != nil {
		return err
	}
	d, err := p.incident(ctx, r.service, id)
	if err != nil {
		return err
	}
	state, number, err := r.expected(d)
	if err != nil {
		return err
	}
	body["expected_state"] = state
	if number > 0 {
		body["expected_refund_number"] = number
	}
	if action == "retry" && bytes.Contains(d.State, []byte(`"needs_order":true`)) {
		shop, err := p.client()
		if err != nil {
			return err
		}
		if body["order"], err = shop.Snapshot(ctx, d.OrderID); err != nil {
			return err
		}
	}
	var answer json.RawMessage
	if err := p.act(ctx, r.operator, d.Service, "incidents", d.ID, action, body, &answer); err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(answer)
	}
	return p.showIncident(ctx, d.Service, id)
}

// expected is the state for which the action is meant: the one that is named, or the one that there is.
func (r repair) expected(d incidentDetails) (state string, number int, err error) {
	show := "sagactl incidents show " + d.ID + " --service " + d.Service
	if r.expect != "" {
		state, n, numbered := strings.Cut(r.expect, ":")
		if numbered {
			if number, err = strconv.Atoi(n); err != nil || number < 1 {
				return "", 0, &Failure{usage, fmt.Errorf("--expect is STATE or STATE:NUMBER, not %q", r.expect), show}
			}
		}
		return state, number, nil
	}
	var now struct {
		State        string `json:"state"`
		RefundNumber int    `json:"refund_number"`
	}
	if err := json.Unmarshal(d.State, &now); err != nil {
		return "", 0, fmt.Errorf("read the state of incident %s: %w", d.ID, err)
	}
	if now.State == "" {
		err := fmt.Errorf("nothing can be done about an incident %s of %s; it closes by itself", d.Kind, d.Service)
		return "", 0, &Failure{failed, err, show}
	}
	return now.State, now.RefundNumber, nil
}
