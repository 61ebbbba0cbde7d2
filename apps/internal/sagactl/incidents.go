package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
)

func (p *program) incidents() *cobra.Command {
	return group("incidents", "Shows with which orders the services cannot go on, and repairs them.",
		p.incidentsList(), p.incidentsShow(), p.incidentsRetry(), p.incidentsResolve())
}

// incident is one with the service that it belongs to.
type incident struct {
	Service string `json:"service"`
	adminapi.Incident
}

// details are all that its service says of one.
type details struct {
	incident
	State    json.RawMessage `json:"state"`
	Possible []adminapi.Step `json:"possible"`
	Actions  []adminapi.Done `json:"actions"`
}

func (p *program) incidentsList() *cobra.Command {
	order, all := "", false
	c := &cobra.Command{
		Use: "list [SERVICE]", Short: "Lists open incidents, newest first.", Args: cobra.MaximumNArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			found := []incident{}
			for _, service := range servicesOr(args) {
				query := url.Values{"open": {fmt.Sprint(!all)}}
				if order != "" {
					query.Set("order", order)
				}
				var page struct {
					Incidents []adminapi.Incident `json:"incidents"`
				}
				if err := p.desk(c.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/incidents?" + query.Encode()}, &page, "sagactl incidents list"); err != nil {
					return err
				}
				for _, i := range page.Incidents {
					found = append(found, incident{service, i})
				}
			}
			return p.showIncidents(found)
		}),
	}
	c.Flags().StringVar(&order, "order", "", "only those of this order")
	c.Flags().BoolVar(&all, "all", false, "those that are resolved, too")
	return c
}

func (p *program) showIncidents(list []incident) error {
	if p.output == "json" {
		return p.json(list)
	}
	rows := [][]string{{"ID", "SERVICE", "KIND", "ORDER", "OPENED", "RESOLVED", "REASON"}}
	for _, i := range list {
		resolved := ""
		if !i.Open() {
			resolved = *i.Resolution
		}
		rows = append(rows, []string{i.ID, i.Service, i.Kind, i.OrderID, i.OpenedAt.Local().Format(time.DateTime), resolved, i.Reason})
	}
	table(p.out, p.width(), rows)
	return nil
}

func (p *program) incidentsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows an incident, what was done about it, and what can be done now.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			d, err := p.incident(c.Context(), args[0])
			if err != nil {
				return err
			}
			return p.showIncident(d)
		}),
	}
}

func (p *program) showIncident(d details) error {
	if p.output == "json" {
		return p.json(d)
	}
	standing := "open"
	if !d.Open() {
		standing = "resolved: " + *d.Resolution
	}
	fmt.Fprintf(p.out, "%s  %s of %s, %s\norder   %s\nreason  %s\nstate   %s\n",
		strong.Render(d.ID), d.Kind, d.Service, standing, d.OrderID, d.Reason, d.State)
	for _, done := range d.Actions {
		fmt.Fprintf(p.out, "done    %s  %s by %s: %s\n        %s → %s\n",
			done.At.Local().Format(time.DateTime), done.Action, done.By, done.Why, done.Before, done.After)
	}
	for _, step := range d.Possible {
		fmt.Fprintf(p.out, "can     %s: %s\n", strings.TrimSpace(step.Action+" "+step.Outcome), step.Means)
	}
	return nil
}

// incident asks the services for one, until one of them has it.
func (p *program) incident(ctx context.Context, id string) (details, error) {
	var err error
	for _, service := range servicesOr(nil) {
		d := details{incident: incident{Service: service}}
		path := "/incidents/" + url.PathEscape(id)
		err = p.desk(ctx, endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: path}, &d, "sagactl incidents list")
		var refused *endpoints.Refused
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue
		}
		return d, err
	}
	return details{}, &Failure{failed, fmt.Errorf("no service has an incident %q", id), "sagactl incidents list --all"}
}

// desk makes a request to the operator's desk of a service.
func (p *program) desk(ctx context.Context, r endpoints.AdminRequest, into any, next string) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	if system.Admin[r.Process] == "" {
		return &Failure{usage, fmt.Errorf("%q has no admin listener", r.Process), next}
	}
	return asked(system.AskAdmin(ctx, r, into), next)
}
