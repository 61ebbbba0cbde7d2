package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
)

// decision is what the operator decides about dead letters.
type decision struct {
	operator
	letterFilter
	expect        int
	all           bool
	payload       string
	replace, with string
}

func (d *decision) flags(p *program, c *cobra.Command) {
	d.operator.flags(p, c)
	c.Flags().IntVar(&d.expect, "expect", 0, "do it only if it was tried this often (as often as it was by now)")
}

func (p *program) lettersRedrive() *cobra.Command {
	var d decision
	const short = "Has a dead letter handled again, or all that match."
	c := command("redrive ID | redrive --all", short, cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) error {
			switch {
			case d.all == (len(args) == 1):
				return &Failure{usage, errors.New("say which one, or --all"), "sagactl dead-letters redrive --help"}
			case d.all:
				return p.redriveAll(ctx, d)
			}
			return p.redrive(ctx, args[0], d)
		})
	c.Long = `Has a dead letter handled again, as it was delivered or edited, or all open ones that match. What fails again
stays, with the new reason.`
	c.Example = `  sagactl dead-letters redrive 5f3c… --why 'the SKU is known now'
  sagactl dead-letters redrive 5f3c… --payload edited.json --why 'the quantity was wrong'
  sagactl dead-letters redrive --all --service inventory --reason 'unknown SKU' --why 'it is known now'
  sagactl dead-letters redrive --all --reason 'quantity: it must be at least 1' --why 'a wrong sign' \
    --replace '"quantity":-1' --with '"quantity":1'`
	d.flags(p, c)
	d.letterFilter.flags(c)
	c.Flags().BoolVar(&d.all, "all", false, "all that match")
	c.Flags().StringVar(&d.payload, "payload", "", "a file with the message as it should have been")
	c.Flags().StringVar(&d.replace, "replace", "", "with --all: a text of the messages that is wrong")
	c.Flags().StringVar(&d.with, "with", "", "with --all: what it should have been")
	return c
}

func (p *program) lettersDiscard() *cobra.Command {
	var d decision
	c := command("discard ID", "Closes a dead letter without any effect.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return p.decide(ctx, args[0], "discard", d, nil) })
	c.Example = "  sagactl dead-letters discard 5f3c… --why 'the order was cancelled by hand'"
	d.flags(p, c)
	serviceFlag(c, &d.service)
	return c
}

func (p *program) redrive(ctx context.Context, id string, d decision) error {
	var edited json.RawMessage
	if d.payload != "" {
		text, err := os.ReadFile(d.payload)
		if err == nil && !json.Valid(text) {
			err = fmt.Errorf("%s is no JSON", d.payload)
		}
		if err != nil {
			return &Failure{usage, err, "sagactl dead-letters show " + id}
		}
		edited = text
	}
	return p.decide(ctx, id, "redrive", d, edited)
}

// decide carries an action out, for the attempts that the operator has seen.
func (p *program) decide(ctx context.Context, id, action string, d decision, edited json.RawMessage) error {
	body, err := d.body(nil)
	if err != nil {
		return err
	}
	l, err := p.letter(ctx, d.service, id)
	if err != nil {
		return err
	}
	body["expected_attempts"] = l.Attempts
	if d.expect > 0 {
		body["expected_attempts"] = d.expect
	}
	if edited != nil {
		body["payload"] = edited
	}
	var outcome adminapi.Outcome
	if err := p.act(ctx, d.operator, l.Service, "dead-letters", l.ID, action, body, &outcome); err != nil {
		return err
	}
	if p.output == "json" {
		err = p.json(outcome)
	} else {
		err = p.showLetter(ctx, l.Service, l.ID)
	}
	if err == nil && outcome.Outcome == adminapi.Failed {
		err = fmt.Errorf("it has failed again: %s", oneLine(outcome.Reason))
		return &Failure{failed, err, "sagactl dead-letters show " + l.ID + " --service " + l.Service}
	}
	return err
}

// redriveAll asks every service for one batch after the other, until none remains that was not tried.
func (p *program) redriveAll(ctx context.Context, d decision) error {
	body, err := d.body(map[string]string{
		"type": d.typ, "reason": d.reason, "order": d.order, "replace": d.replace, "with": d.with,
	})
	if err != nil {
		return err
	}
	sum := adminapi.Tally{Letters: []adminapi.Outcome{}}
	for _, service := range servicesOr(d.service) {
		delete(body, "until")
		for batch, more := 1, true; more; batch++ {
			var t adminapi.Tally
			err := p.admin(ctx, endpoints.AdminRequest{
				Process: service, Method: http.MethodPost, Path: "/dead-letters/redrive", Body: body,
				Key: fmt.Sprint(d.key, "-", service, "-", batch), // each batch is a request of its own
			}, &t, "sagactl dead-letters list")
			if err != nil {
				return err
			}
			sum.Add(t)
			body["until"], more = t.Until, t.Remaining > 0
		}
	}
	err = p.show(sum, func() {
		fmt.Fprintf(p.out, "%d redriven, %d duplicates, %d failed again, %d skipped\n",
			sum.Redriven, sum.Duplicates, sum.Failed, sum.Skipped)
	})
	if err == nil && sum.Failed > 0 {
		err = fmt.Errorf("%d of %d failed again", sum.Failed, len(sum.Letters))
		return &Failure{failed, err, "sagactl dead-letters list"}
	}
	return err
}
