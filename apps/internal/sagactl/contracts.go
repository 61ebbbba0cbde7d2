package sagactl

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"example.com/ordersaga/contracts/pact"
)

func (p *program) contracts() *cobra.Command {
	return group("contracts", "Asks the consumers' contracts.", p.whoBreaks())
}

func (p *program) whoBreaks() *cobra.Command {
	return &cobra.Command{
		Use: "who-breaks SCHEMA", Short: "Names who could no longer read an event, if its schema were changed to this one.", Args: cobra.ExactArgs(1),
		Long: `Names who could no longer read an event, if its schema were changed to the one in the file, and by which field. Which
schema it replaces says its $id. What cannot be judged counts as a break. The exit code is 1 when somebody would break: such
a change is a new major version of the event, beside this one.`,
		Example: "  sagactl contracts who-breaks pkg/events/schemas/PaymentRefunded.v1.json",
		RunE: runs(func(_ *cobra.Command, args []string) error {
			changed, err := os.ReadFile(args[0])
			if err != nil {
				return &Failure{usage, fmt.Errorf("read the changed schema: %w", err), "sagactl contracts who-breaks --help"}
			}
			broken, err := breaks(changed)
			if err != nil {
				return &Failure{usage, fmt.Errorf("%s: %w", args[0], err), "sagactl contracts who-breaks --help"}
			}
			if err := p.showBreaks(broken); err != nil {
				return err
			}
			if len(broken) > 0 {
				return &Failure{failed, errors.New("this change breaks consumers"), "sagactl contracts who-breaks --help"}
			}
			return nil
		}),
	}
}

func breaks(changed []byte) ([]pact.Break, error) {
	schemas, err := pact.Current()
	if err != nil {
		return nil, err
	}
	if schemas, err = schemas.With(changed); err != nil {
		return nil, err
	}
	pacts, err := pact.All()
	if err != nil {
		return nil, err
	}
	return schemas.Breaks(pacts)
}

func (p *program) showBreaks(broken []pact.Break) error {
	if p.output == "json" {
		return p.json(broken)
	}
	if len(broken) == 0 {
		fmt.Fprintln(p.out, "nobody: every field that a consumer reads is still there, and of its type")
		return nil
	}
	rows := [][]string{{"CONSUMER", "EVENT", "FIELD", "WHY"}}
	for _, b := range broken {
		rows = append(rows, []string{b.Consumer, b.Event, b.Field, b.Why})
	}
	table(p.out, p.width(), rows)
	return nil
}
