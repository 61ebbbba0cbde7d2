package sagactl

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/pkg/events"
)

// database is what a service knows of its own.
type database struct {
	owner
	lostcommits.State
}

func (p *program) database() *cobra.Command {
	var o operator
	accept := command("accept SERVICE", "Has a service use its database as it is, without what it has lost.",
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			return p.acceptDatabase(ctx, o, args[0])
		})
	accept.Long = `Has a service use its database as it is. Only for one that has lost commits, and for which the stream
does not go back far enough: otherwise the service does again what is missing. sagactl verify shows what is lost then.`
	o.flags(p, accept)
	list := command("list", "Shows whether each service uses its database, and why not.", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return p.listDatabases(ctx) })
	return group("database", "Databases that may have lost commits.", list, accept)
}

func (p *program) listDatabases(ctx context.Context) error {
	var all []database
	for _, service := range events.Consumers {
		d := database{owner: owner{string(service)}}
		r := endpoints.AdminRequest{Process: string(service), Method: http.MethodGet, Path: "/database"}
		if err := p.admin(ctx, r, &d.State, "sagactl database list"); err != nil {
			return err
		}
		all = append(all, d)
	}
	return p.show(map[string]any{"databases": all}, func() {
		for _, d := range all {
			p.showDatabase(d)
		}
	})
}

func (p *program) showDatabase(d database) {
	mark, text := good.Render("✓"), "used"
	switch {
	case !d.Used:
		mark, text = bad.Render("✗"), d.Problem
	case d.Known != nil:
		text = fmt.Sprintf("used: cluster %s, timeline %s", d.Known.System, d.Known.Timeline)
	}
	fmt.Fprintf(p.out, "%s %-13s %s\n", mark, d.Service, text)
}

func (p *program) acceptDatabase(ctx context.Context, o operator, service string) error {
	if !slices.Contains(events.Consumers, events.Service(service)) {
		return &Failure{usage, fmt.Errorf("there is no service %q", service), "sagactl database list"}
	}
	body, err := o.body(nil)
	if err != nil {
		return err
	}
	d := database{owner: owner{service}}
	r := endpoints.AdminRequest{
		Process: service, Method: http.MethodPost, Path: "/database/accept", Body: body, Key: o.key,
	}
	if err := p.admin(ctx, r, &d.State, "sagactl database list"); err != nil {
		return err
	}
	return p.show(d, func() { p.showDatabase(d) })
}
