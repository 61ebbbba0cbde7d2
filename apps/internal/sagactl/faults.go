package sagactl

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

func (p *program) faults() *cobra.Command {
	return group("faults", "Makes things go wrong on purpose, at named points of a service.",
		p.faultsPoints(), p.faultsArm(), p.faultsList(), p.faultsClear(), p.faultsRelease())
}

func (p *program) faultsPoints() *cobra.Command {
	return &cobra.Command{
		Use: "points", Short: "Lists the points, with a sentence each.", Args: cobra.NoArgs,
		RunE: runs(func(*cobra.Command, []string) error {
			if p.output == "json" {
				return p.json(failpoint.Points())
			}
			rows := [][]string{{"POINT", "WHEN IT IS PASSED"}}
			for _, point := range failpoint.Points() {
				rows = append(rows, []string{string(point.Point), point.Sentence})
			}
			table(p.out, p.width(), rows)
			return nil
		}),
	}
}

func (p *program) faultsArm() *cobra.Command {
	return &cobra.Command{
		Use:   "arm SERVICE FAULT",
		Short: "Arms a fault: POINT=KIND, with options after semicolons.",
		Long: `Arms a fault. Kinds: crash, error[:text], delay:duration, duplicate, hold. Options: order=ID, times=N (1 without,
0 for any number), percent=N, for=DURATION.`,
		Example: `  sagactl faults arm shipping inbox.before_commit=crash
  sagactl faults arm payment 'gateway.before_charge=delay:3s;times=0;percent=10;for=1m'`,
		Args: cobra.ExactArgs(2),
		RunE: runs(func(c *cobra.Command, args []string) error {
			faults, err := failpoint.Parse(args[1])
			if err != nil {
				return &Failure{usage, err, "sagactl faults points"}
			}
			for _, f := range faults {
				if err := p.arm(c.Context(), args[0], f); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (p *program) arm(ctx context.Context, service string, f failpoint.Fault) error {
	a := failpoint.Armament{Point: f.Point, Kind: f.Kind, Text: f.Text, Order: f.Order, Times: &f.Times, Percent: f.Percent}
	if f.Delay > 0 {
		a.Delay = f.Delay.String()
	}
	if f.For > 0 {
		a.For = f.For.String()
	}
	var armed failpoint.Armament
	if err := p.admin(ctx, service, http.MethodPost, "/faults", a, &armed); err != nil {
		return err
	}
	return p.showFaults(map[string][]failpoint.Armament{service: {armed}})
}

func (p *program) faultsList() *cobra.Command {
	return &cobra.Command{
		Use: "list [SERVICE]", Short: "Lists what is armed, and what became of it.", Args: cobra.MaximumNArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			all := map[string][]failpoint.Armament{}
			for _, service := range servicesOr(args) {
				var list struct {
					Faults []failpoint.Armament `json:"faults"`
				}
				if err := p.admin(c.Context(), service, http.MethodGet, "/faults", nil, &list); err != nil {
					return err
				}
				all[service] = list.Faults
			}
			return p.showFaults(all)
		}),
	}
}

func (p *program) faultsClear() *cobra.Command {
	return &cobra.Command{
		Use: "clear [SERVICE [ID]]", Short: "Disarms faults: all, a service's, or one. Who is held goes on.", Args: cobra.MaximumNArgs(2),
		RunE: runs(func(c *cobra.Command, args []string) error {
			path := "/faults"
			if len(args) == 2 {
				path += "/" + args[1]
			}
			for _, service := range servicesOr(args) {
				if err := p.admin(c.Context(), service, http.MethodDelete, path, nil, nil); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (p *program) faultsRelease() *cobra.Command {
	return &cobra.Command{
		Use: "release SERVICE ID", Short: "Lets those go on who are held by a fault.", Args: cobra.ExactArgs(2),
		RunE: runs(func(c *cobra.Command, args []string) error {
			return p.admin(c.Context(), args[0], http.MethodPost, "/faults/"+args[1]+"/release", nil, nil)
		}),
	}
}

func servicesOr(args []string) []string {
	if len(args) > 0 {
		return args[:1]
	}
	all := make([]string, len(events.Services))
	for i, service := range events.Services {
		all[i] = string(service)
	}
	return all
}

func (p *program) showFaults(all map[string][]failpoint.Armament) error {
	if p.output == "json" {
		return p.json(all)
	}
	rows := [][]string{{"SERVICE", "ID", "POINT", "KIND", "ORDER", "HITS#", "FIRED#", "HOLDING#"}}
	for _, service := range slices.Sorted(maps.Keys(all)) {
		for _, a := range all[service] {
			rows = append(rows, []string{
				service, a.ID, string(a.Point), strings.Trim(string(a.Kind)+":"+a.Text+a.Delay, ":"), a.Order,
				strconv.Itoa(a.Hits), strconv.Itoa(a.Fired), strconv.Itoa(a.Holding),
			})
		}
	}
	table(p.out, p.width(), rows)
	return nil
}

// admin makes a request to a service's admin listener.
func (p *program) admin(ctx context.Context, service, method, path string, body, into any) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	if system.Admin[service] == "" {
		return &Failure{usage, fmt.Errorf("%q has no admin listener; %s have", service, strings.Join(slices.Sorted(maps.Keys(system.Admin)), ", ")), "sagactl faults list"}
	}
	err = system.AskAdmin(ctx, endpoints.AdminRequest{Process: service, Method: method, Path: path, Body: body}, into)
	return asked(err, "sagactl faults list "+service+"   (faults are off unless the process was started with FAULTS_ENABLED=true)")
}
