package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
)

// decision is what the operator says about dead letters.
type decision struct {
	letterFilter
	by, why, key  string
	expect        int
	all           bool
	payload       string
	replace, with string
}

func (d *decision) flags(p *program, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.by, "by", p.getenv("USER"), "who does it; it is kept")
	f.StringVar(&d.why, "why", "", "why; it is kept")
	f.StringVar(&d.key, "key", "", "the Idempotency-Key: the same one again is the same action (a new one)")
	f.IntVar(&d.expect, "expect", 0, "do it only if it was tried this often (as often as it was by now)")
	_ = c.MarkFlagRequired("why") // it exists
}

// wish is the body of every request.
func (d *decision) wish(args string) (map[string]any, error) {
	if d.by == "" {
		return nil, &Failure{usage, errors.New("nobody does it: USER is not set"), "sagactl dead-letters " + args + " --by YOU"}
	}
	if d.key == "" {
		d.key = uuid.NewString()
	}
	return map[string]any{"by": d.by, "why": d.why}, nil
}

func (p *program) lettersRedrive() *cobra.Command {
	var d decision
	c := &cobra.Command{
		Use: "redrive ID | redrive --all", Short: "Has a dead letter handled again, or all that match.", Args: cobra.MaximumNArgs(1),
		Long: `Has a dead letter handled again, as it was delivered or edited, or all open ones that match. What fails again stays, with the new reason.`,
		Example: `  sagactl dead-letters redrive 5f3c… --why 'the SKU is known now'
  sagactl dead-letters redrive 5f3c… --payload edited.json --why 'the quantity was wrong'
  sagactl dead-letters redrive --all --service inventory --reason 'unknown SKU' --why 'it is known now'
  sagactl dead-letters redrive --all --reason 'quantity: it must be at least 1' --replace '"quantity":-1' --with '"quantity":1' --why 'a wrong sign'`,
		RunE: runs(func(c *cobra.Command, args []string) error {
			switch {
			case d.all == (len(args) == 1):
				return &Failure{usage, errors.New("say which one, or --all"), "sagactl dead-letters redrive --help"}
			case d.all:
				return p.redriveAll(c.Context(), d)
			}
			return p.redrive(c.Context(), args[0], d)
		}),
	}
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
	c := &cobra.Command{
		Use: "discard ID", Short: "Closes a dead letter without any effect.", Args: cobra.ExactArgs(1),
		Example: "  sagactl dead-letters discard 5f3c… --why 'the order was cancelled by hand'",
		RunE:    runs(func(c *cobra.Command, args []string) error { return p.decide(c.Context(), args[0], "discard", d, nil) }),
	}
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
	wish, err := d.wish(action + " " + id)
	if err != nil {
		return err
	}
	l, err := p.letter(ctx, d.service, id)
	if err != nil {
		return err
	}
	wish["expected_attempts"] = l.Attempts
	if d.expect > 0 {
		wish["expected_attempts"] = d.expect
	}
	if edited != nil {
		wish["payload"] = edited
	}
	var outcome adminapi.Outcome
	show := "sagactl dead-letters show " + l.ID
	err = p.desk(ctx, endpoints.AdminRequest{Process: l.Service, Method: http.MethodPost, Path: "/dead-letters/" + l.ID + "/" + action, Body: wish, Key: d.key}, &outcome, show)
	if err != nil {
		return err
	}
	if p.output == "json" {
		err = p.json(outcome)
	} else if l, err = p.letter(ctx, l.Service, l.ID); err == nil {
		err = p.showLetter(l)
	}
	if err == nil && outcome.Outcome == adminapi.Failed {
		return &Failure{failed, fmt.Errorf("it has failed again: %s", oneLine(outcome.Reason)), show}
	}
	return err
}

// redriveAll asks every service for one lot after the other, until none remains that was not tried.
func (p *program) redriveAll(ctx context.Context, d decision) error {
	wish, err := d.wish("redrive --all")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"type": d.typ, "reason": d.reason, "order": d.order, "replace": d.replace, "with": d.with} {
		wish[name] = value
	}
	sum := adminapi.Tally{Letters: []adminapi.Outcome{}}
	for _, service := range servicesBy(d.service) {
		delete(wish, "until")
		for lot, more := 1, true; more; lot++ {
			var t adminapi.Tally
			err := p.desk(ctx, endpoints.AdminRequest{
				Process: service, Method: http.MethodPost, Path: "/dead-letters/redrive", Body: wish, Key: fmt.Sprint(d.key, "-", service, "-", lot),
			}, &t, "sagactl dead-letters list")
			if err != nil {
				return err
			}
			sum.Add(t)
			wish["until"], more = t.Until, t.Remaining > 0
		}
	}
	return p.showTally(sum)
}

func (p *program) showTally(t adminapi.Tally) error {
	if p.output == "json" {
		if err := p.json(t); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.out, "%d redriven, %d duplicates, %d failed again, %d skipped\n", t.Redriven, t.Duplicates, t.Failed, t.Skipped)
	}
	if t.Failed > 0 {
		return &Failure{failed, fmt.Errorf("%d of %d failed again", t.Failed, len(t.Letters)), "sagactl dead-letters list"}
	}
	return nil
}
