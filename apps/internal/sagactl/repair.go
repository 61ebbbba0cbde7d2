package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
)

// repair is what the operator says on the command line.
type repair struct {
	by, why, key, expect         string
	outcome, refundID, reference string
}

func (r *repair) flags(p *program, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.by, "by", p.getenv("USER"), "who does it; it is kept")
	f.StringVar(&r.why, "why", "", "why; it is kept")
	f.StringVar(&r.expect, "expect", "", "do it only if the state still is this one, for example REFUND_REFUSED:1 (the state that it has now)")
	f.StringVar(&r.key, "key", "", "the Idempotency-Key: the same one again is the same action (a new one)")
	_ = c.MarkFlagRequired("why") // it exists
}

func (p *program) incidentsRetry() *cobra.Command {
	var r repair
	c := &cobra.Command{
		Use: "retry ID", Short: "Has what failed tried again.", Args: cobra.ExactArgs(1),
		Long: `Has what failed tried again. An unknown outcome is asked for under the same key. A refund that was refused for good is
asked for under the next one, when the gateway shows no refund.`,
		Example: "  sagactl incidents retry 0197… --why 'the gateway gives refunds again'",
		RunE:    runs(func(c *cobra.Command, args []string) error { return p.repair(c.Context(), args[0], "retry", r) }),
	}
	r.flags(p, c)
	return c
}

func (p *program) incidentsResolve() *cobra.Command {
	var r repair
	c := &cobra.Command{
		Use: "resolve ID", Short: "Records how what failed has ended, as far as the gateway confirms it.", Args: cobra.ExactArgs(1),
		Example: `  sagactl incidents resolve 0197… --outcome refund --refund-id re_7 --why 'refunded at the gateway'
  sagactl incidents resolve 0197… --outcome settlement --reference 'transfer 4711' --why 'the card has expired'`,
		RunE: runs(func(c *cobra.Command, args []string) error { return p.repair(c.Context(), args[0], "resolve", r) }),
	}
	r.flags(p, c)
	c.Flags().StringVar(&r.outcome, "outcome", "", "captured, declined, refund or settlement")
	c.Flags().StringVar(&r.refundID, "refund-id", "", "the refund that the gateway shows")
	c.Flags().StringVar(&r.reference, "reference", "", "the settlement's reference, at whoever made it")
	_ = c.MarkFlagRequired("outcome")
	return c
}

// repair carries an action out, for the state that the operator has seen.
func (p *program) repair(ctx context.Context, id, action string, r repair) error {
	if r.by == "" {
		return &Failure{usage, errors.New("nobody does it: USER is not set"), "sagactl incidents " + action + " " + id + " --by YOU"}
	}
	d, err := p.incident(ctx, id)
	if err != nil {
		return err
	}
	wish, err := r.wish(d)
	if err != nil {
		return err
	}
	if r.key == "" {
		r.key = uuid.NewString()
	}
	var answer json.RawMessage
	err = p.desk(ctx, endpoints.AdminRequest{
		Process: d.Service, Method: http.MethodPost, Path: "/incidents/" + d.ID + "/" + action, Body: wish, Key: r.key,
	}, &answer, "sagactl incidents show "+d.ID)
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(answer)
	}
	if d, err = p.incident(ctx, id); err != nil {
		return err
	}
	return p.showIncident(d)
}

// wish is the body of the request.
func (r repair) wish(d details) (map[string]any, error) {
	wish := map[string]any{"by": r.by, "why": r.why}
	for name, value := range map[string]string{"outcome": r.outcome, "refund_id": r.refundID, "reference": r.reference} {
		if value != "" {
			wish[name] = value
		}
	}
	state, number, err := r.expected(d)
	if err != nil {
		return nil, err
	}
	wish["expected_state"] = state
	if number > 0 {
		wish["expected_refund_number"] = number
	}
	return wish, nil
}

// expected is the state for which the action is meant: the one that is named, or the one that there is.
func (r repair) expected(d details) (state string, number int, err error) {
	if r.expect != "" {
		state, n, numbered := strings.Cut(r.expect, ":")
		if numbered {
			if number, err = strconv.Atoi(n); err != nil || number < 1 {
				return "", 0, &Failure{usage, fmt.Errorf("--expect is STATE or STATE:NUMBER, not %q", r.expect), "sagactl incidents show " + d.ID}
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
		return "", 0, &Failure{failed, fmt.Errorf("nothing can be done about an incident %s of %s; it closes by itself", d.Kind, d.Service), "sagactl incidents show " + d.ID}
	}
	return now.State, now.RefundNumber, nil
}
