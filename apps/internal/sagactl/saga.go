package sagactl

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/services/order/api"
)

func (p *program) orderSaga() *cobra.Command {
	return &cobra.Command{
		Use: "saga ORDER", Short: "Shows how far an order is in every service, and what it waits for.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			s, err := p.shop()
			if err != nil {
				return err
			}
			saga, err := s.Saga(c.Context(), args[0])
			if err != nil {
				return asked(err, "sagactl order list")
			}
			return p.showSaga(saga)
		}),
	}
}

// showSaga prints a saga as a table, or the answer as it came.
func (p *program) showSaga(saga api.Saga) error {
	if p.output == "json" {
		return p.json(saga)
	}
	fmt.Fprintf(p.out, "%s, %s; the order is %s\n", strong.Render(string(saga.State)), saga.Direction, colourOf(saga.Status).Render(string(saga.Status)))
	rows := [][]string{{"STEP", "SERVICE", "PROGRESS", "STATE", "ATTEMPTS#", "WHY"}}
	for _, step := range saga.Steps {
		rows = append(rows, []string{
			step.Step, step.Service, string(step.Progress), text(step.State), strconv.Itoa(step.Attempts), cmp.Or(text(step.Problem), text(step.Reason)),
		})
	}
	table(p.out, p.width(), rows)
	for _, i := range saga.Incidents {
		fmt.Fprintln(p.out, bad.Render(fmt.Sprintf("incident %s of %s: %s: %s", i.Id, i.Service, i.Kind, i.Reason)))
	}
	for _, m := range saga.Mails {
		fmt.Fprintf(p.out, "mail %s: %s\n", m.Kind, postmark(m))
	}
	if saga.WaitingFor != nil {
		fmt.Fprintln(p.out, "waits for "+waits(saga.WaitingFor, time.Now()))
	}
	if saga.Expected != nil {
		fmt.Fprintln(p.out, faint.Render(fmt.Sprintf("next: %s from %s", strings.Join(saga.Expected.Events, " or "), saga.Expected.Service)))
	}
	return nil
}

// postmark says what became of a mail.
func postmark(m api.Mail) string {
	switch {
	case m.SentAt != nil:
		return "sent at " + m.SentAt.Local().Format(time.TimeOnly)
	case m.RefusedAt != nil:
		return "refused by the mail server"
	}
	return fmt.Sprintf("to be sent, %d attempts", m.Attempts)
}

// waits says in a line what an order waits for.
func waits(w *api.Waiting, now time.Time) string {
	line := fmt.Sprintf("%s by %s for %s", w.Step, w.Service, max(0, now.Sub(w.Since)).Round(time.Second))
	if w.Attempts > 0 {
		line += fmt.Sprintf(", %d attempts", w.Attempts)
	}
	return line + ": " + w.Why
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// lookEvery is how often an order that is watched is asked what it waits for.
const lookEvery = 2 * time.Second

// tellWaits shows what an order waits for whenever that is something new, until ctx ends.
func tellWaits(ctx context.Context, s *client.Shop, id string, show func(line string)) {
	for told := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		saga, err := s.Saga(ctx, id)
		if err != nil || saga.WaitingFor == nil {
			continue // the stream goes on telling what happens
		}
		w := saga.WaitingFor
		if what := w.Step + w.Service + w.Why; what != told {
			told = what
			show(fmt.Sprintf("%s, %s: waits for %s; next: %s", saga.State, saga.Direction, waits(w, time.Now()), strings.Join(saga.Expected.Events, " or ")))
		}
	}
}
