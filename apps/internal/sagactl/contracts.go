package sagactl

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/internal/natsadmin"
)

func (p *program) contracts() *cobra.Command {
	const help = "sagactl contracts who-breaks --help"
	whoBreaks := command("who-breaks SCHEMA",
		"Names the consumers that could no longer read an event, if its schema were changed to this one.",
		cobra.ExactArgs(1),
		func(_ context.Context, args []string) error {
			changed, err := os.ReadFile(args[0])
			if err != nil {
				return &Failure{usage, fmt.Errorf("read the changed schema: %w", err), help}
			}
			broken, err := pact.Breaks(changed)
			if err != nil {
				return &Failure{usage, fmt.Errorf("%s: %w", args[0], err), help}
			}
			if err := p.showBreaks(broken); err != nil {
				return err
			}
			if len(broken) > 0 {
				return &Failure{failed, errors.New("this change breaks consumers"), help}
			}
			return nil
		})
	whoBreaks.Long = `Names the consumers that could no longer read an event, if its schema were changed to the one in
the file, and the field that each would miss. The schema's $id says which one it replaces. What cannot be judged counts
as a break. The exit code is 1 when a consumer would break: such a change is a new major version of the event, beside
this one.`
	whoBreaks.Example = "  sagactl contracts who-breaks pkg/events/schemas/PaymentRefunded.v1.json"
	return group("contracts", "Asks the consumers' contracts.", whoBreaks)
}

func (p *program) showBreaks(broken []pact.Break) error {
	if len(broken) == 0 && p.output != "json" {
		fmt.Fprintln(p.out, "nobody: every consumer can still read the event")
		return nil
	}
	return showList(p, "breaks", "CONSUMER,EVENT,FIELD,WHY", broken, nil, func(b pact.Break) []string {
		return []string{b.Consumer, b.Event, b.Field, b.Why}
	})
}

// natsConf prints the broker's configuration, which is made from the events' catalogue: who may publish and
// consume which event is written down once.
func (p *program) natsConf() *cobra.Command {
	return command("nats-conf", "Prints the broker's configuration for a deployment, without any secret.", cobra.NoArgs,
		func(context.Context, []string) error {
			options := natsadmin.ServerOptions{Host: "0.0.0.0", StoreDir: "/data", MonitorPort: 8222}
			fmt.Fprint(p.out, natsadmin.ServerConfig(options))
			return nil
		})
}
