package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/verify"
)

func (p *program) verify() *cobra.Command {
	var o verify.Options
	var acknowledged string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Checks what must hold, over all databases, the gateway's ledger and the stream, read-only.",
		Long: `Checks what must hold, over all databases, the gateway's own ledger and the stream. Nothing is changed.

Without --at-rest only what holds at every instant is checked: usable in a loop while load runs. With it
everything is, once the system has come to rest, for which it is given some time. A violation is exit code 1.
Of many orders it holds a page at a time; how far it is goes to standard error. With --since 2h only orders that were
placed or changed no longer ago are looked at; what is about all rows together is not judged then, and shown as such.`,
		Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) (err error) {
			if o.Acknowledged, err = readAcknowledged(acknowledged); err != nil {
				return &Failure{usage, err, "sagactl verify --help"}
			}
			return p.check(c.Context(), o)
		}),
	}
	c.Flags().BoolVar(&o.AtRest, "at-rest", false, "check also what holds only when nothing is under way any more")
	c.Flags().DurationVar(&o.Within, "within", time.Minute, "how long the system may take to come to rest")
	c.Flags().DurationVar(&o.Since, "since", 0,
		"look only at orders that were placed or changed no longer ago (all)")
	c.Flags().DurationVar(&o.TooOld, "too-old", 0,
		"how long an event may wait to be published or acknowledged (a third of the time that the stream keeps it)")
	c.Flags().StringVar(&acknowledged, "acknowledged", "",
		"a file with what clients were answered, which must be kept (I10, I17): orders as JSON, one after the other, as"+
			" sagactl order place -o json prints them; each may have its idempotency_key")
	return c
}

// readAcknowledged reads the answers that clients got. Without a file there are none.
func readAcknowledged(name string) (all []verify.Acknowledged, err error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read what was acknowledged: %w", err)
	}
	defer file.Close()
	for answers := json.NewDecoder(file); ; {
		var answer struct {
			ID  string `json:"id"`
			Key string `json:"idempotency_key"`
		}
		switch err := answers.Decode(&answer); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("answer %d in %s: %w", len(all)+1, name, err)
		case answer.ID == "":
			return nil, fmt.Errorf("answer %d in %s has no id of an order", len(all)+1, name)
		}
		all = append(all, verify.Acknowledged{OrderID: answer.ID, Key: answer.Key})
	}
}

func (p *program) check(ctx context.Context, o verify.Options) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	if err := system.Complete(); err != nil {
		return &Failure{usage, err, "sagactl verify --file another/run.json"}
	}
	o.Progress = func(line string) { fmt.Fprintln(p.err, line) }
	report, err := verify.Check(ctx, system, o)
	if err != nil {
		return unanswered(err)
	}
	if p.output == "json" {
		err = p.json(report)
	} else {
		showReport(p.out, p.width(), report)
	}
	if err == nil && !report.Holds {
		return &Failure{failed, errors.New("the system is not as it must be"),
			"sagactl watch ORDER   (of an order named above)"}
	}
	return err
}

// shownOffenders is how many of an invariant's offenders are shown; -o json has all.
const shownOffenders = 5

func showReport(w io.Writer, width int, r verify.Report) {
	line := func(text string) {
		if width > 0 {
			text = ansi.Truncate(text, width, "…")
		}
		fmt.Fprintln(w, text)
	}
	for _, result := range r.Results {
		mark, id := good.Render("✓"), fmt.Sprintf("%-4s", result.ID)
		if result.NotJudged {
			mark, id = faint.Render("-"), faint.Render(id)
		}
		if !result.Holds {
			mark, id = bad.Render("✗"), bad.Render(id)
		}
		sentence := result.Sentence
		if result.NotJudged {
			sentence = faint.Render("not judged, since it is about all orders: " + sentence)
		}
		line(mark + " " + id + sentence)
		for _, offender := range result.Offenders[:min(shownOffenders, len(result.Offenders))] {
			line("       " + bad.Render(offender.Key+": ") + offender.Detail)
		}
		if more := len(result.Offenders) - shownOffenders; more > 0 {
			line(fmt.Sprintf("       and %d more", more))
		}
	}
	waits := func(what string, a verify.Age) {
		if a.Of != "" {
			line(faint.Render(fmt.Sprintf("%s: %v, %s", what, a.Age.Round(time.Second), a.Of)))
		}
	}
	waits("the oldest event that waits", r.OldestEvent)
	waits("the oldest order that waits without an incident", r.OldestOrder)
	if !r.Broker {
		line(faint.Render("the broker does not answer: what waits in the stream is not known"))
	}
	line(faint.Render(fmt.Sprintf("looked at %d orders, %d charges, %d refunds, %d messages in %.1f s",
		r.Counted.Orders, r.Counted.Charges, r.Counted.Refunds, r.Counted.Messages, r.Took.Seconds())))
}
