package sagactl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
)

func (p *program) faults() *cobra.Command {
	return group("faults", "Makes things go wrong on purpose, at named points of a service.",
		p.faultsPoints(), p.faultsArm(), p.faultsList(), p.faultsClear(), p.faultsRelease())
}

func (p *program) faultsPoints() *cobra.Command {
	const short = "Lists the points, who passes each, and what has happened then; of one service or of all."
	return command("points [SERVICE]", short, cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
		points := slices.DeleteFunc(failpoint.Points(), func(at failpoint.Described) bool {
			return len(args) > 0 && len(at.Services) > 0 && !slices.Contains(at.Services, args[0])
		})
		const headings = "POINT,SERVICES,WHEN IT IS PASSED"
		return showList(p, "points", headings, points, nil, func(at failpoint.Described) []string {
			return []string{string(at.Point), cmp.Or(strings.Join(at.Services, ", "), "all"), at.Sentence}
		})
	})
}

func (p *program) faultsArm() *cobra.Command {
	c := command("arm SERVICE FAULT", "Arms a fault: POINT=KIND, with options after semicolons.", cobra.ExactArgs(2),
		func(ctx context.Context, args []string) error {
			faults, err := failpoint.Parse(args[1])
			if err != nil {
				return &Failure{usage, err, "sagactl faults points"}
			}
			for _, f := range faults {
				if err := p.arm(ctx, args[0], f); err != nil {
					return err
				}
			}
			return nil
		})
	c.Long = `Arms a fault. Kinds: crash, error[:text], delay:duration, duplicate, hold. Options: order=ID, times=N (1
without, 0 for any number), percent=N, for=DURATION.`
	c.Example = `  sagactl faults arm shipping inbox.before_commit=crash
  sagactl faults arm payment 'gateway.before_charge=delay:3s;times=0;percent=10;for=1m'`
	return c
}

func (p *program) arm(ctx context.Context, service string, f failpoint.Fault) error {
	a := failpoint.Armament{
		Point: f.Point, Kind: f.Kind, Text: f.Text, Order: f.Order, Times: &f.Times, Percent: f.Percent,
	}
	if f.Delay > 0 {
		a.Delay = f.Delay.String()
	}
	if f.For > 0 {
		a.For = f.For.String()
	}
	var armed failpoint.Armament
	if err := p.faultsOf(ctx, service, http.MethodPost, "", a, &armed); err != nil {
		return err
	}
	return p.showFaults([]armedFault{{owner{service}, armed}})
}

func (p *program) faultsList() *cobra.Command {
	return command("list [SERVICE]", "Lists what is armed, and what became of it.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) error {
			var all []armedFault
			for _, service := range servicesOr(args...) {
				var list struct {
					Faults []failpoint.Armament `json:"faults"`
				}
				if err := p.faultsOf(ctx, service, http.MethodGet, "", nil, &list); err != nil {
					return err
				}
				for _, fault := range list.Faults {
					all = append(all, armedFault{owner{service}, fault})
				}
			}
			return p.showFaults(all)
		})
}

func (p *program) faultsClear() *cobra.Command {
	const short = "Disarms faults: all, a service's, or one. What is held goes on."
	return command("clear [SERVICE [ID]]", short, cobra.MaximumNArgs(2), func(ctx context.Context, args []string) error {
		path := ""
		if len(args) == 2 {
			path = "/" + args[1]
		}
		for _, service := range servicesOr(args...) {
			if err := p.faultsOf(ctx, service, http.MethodDelete, path, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *program) faultsRelease() *cobra.Command {
	return command("release SERVICE ID", "Lets what a fault holds go on.", cobra.ExactArgs(2),
		func(ctx context.Context, args []string) error {
			return p.faultsOf(ctx, args[0], http.MethodPost, "/"+args[1]+"/release", nil, nil)
		})
}

// armedFault is a fault with the service in which it is armed.
type armedFault struct {
	owner
	failpoint.Armament
}

func (p *program) showFaults(all []armedFault) error {
	const headings = "SERVICE,ID,POINT,KIND,ORDER,HITS#,FIRED#,HOLDING#"
	return showList(p, "faults", headings, all, nil, func(a armedFault) []string {
		kind := strings.Trim(string(a.Kind)+":"+a.Text+a.Delay, ":")
		return []string{
			a.Service, a.ID, string(a.Point), kind, a.Order,
			strconv.Itoa(a.Hits), strconv.Itoa(a.Fired), strconv.Itoa(a.Holding),
		}
	})
}

// faultsOf makes a request about the faults of a service.
func (p *program) faultsOf(ctx context.Context, service, method, path string, body, into any) error {
	r := endpoints.AdminRequest{Process: service, Method: method, Path: "/faults" + path, Body: body}
	err := p.admin(ctx, r, into, "sagactl faults list "+service)
	refused, _ := errors.AsType[*endpoints.Refused](err)
	switch {
	case refused == nil:
		return err
	case refused.Status == http.StatusNotFound && path == "":
		err = fmt.Errorf("%s takes no faults: start it with FAULTS_ENABLED=true", service)
		return &Failure{failed, err, "make demo   (its services take faults)"}
	case refused.Status == http.StatusUnprocessableEntity:
		return &Failure{failed, err, "sagactl faults points " + service}
	}
	return err
}
