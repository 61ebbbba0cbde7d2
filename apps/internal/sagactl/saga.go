package sagactl

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/sagaview"
	notification "example.com/ordersaga/services/notification/api"
	"example.com/ordersaga/services/order/api"
)

// showSaga prints a saga as a table, or the answer as it came.
func (p *program) showSaga(saga api.Saga) error {
	if p.output == "json" {
		return p.json(saga)
	}
	status := colourOf(saga.Status).Render(string(saga.Status))
	fmt.Fprintf(p.out, "%s, %s; the order is %s\n", strong.Render(string(saga.State)), saga.Direction, status)
	_ = showTable(p, nil, "STEP,SERVICE,PROGRESS,STATE,ATTEMPTS#,WHY", saga.Steps, func(s api.Step) []string {
		why := cmp.Or(deref(s.Problem), deref(s.Reason))
		progress := sagaview.Shown(sagaview.Progress(s.Progress), deref(s.State))
		return []string{s.Step, s.Service, string(progress), deref(s.State), strconv.Itoa(s.Attempts), why}
	})
	for _, i := range saga.Incidents {
		fmt.Fprintln(p.out, bad.Render(fmt.Sprintf("incident %s of %s: %s: %s", i.Id, i.Service, i.Kind, i.Reason)))
	}
	if saga.WaitingFor != nil {
		fmt.Fprintln(p.out, "waits for "+waits(saga.WaitingFor, time.Now()))
	}
	if saga.Expected != nil {
		next := strings.Join(saga.Expected.Events, " or ")
		fmt.Fprintln(p.out, faint.Render(fmt.Sprintf("next: %s from %s", next, saga.Expected.Service)))
	}
	return nil
}

// showMails prints what became of an order's mails.
func (p *program) showMails(mails []notification.Mail) error {
	return showList(p, "mails", "MAIL,STATE,ATTEMPTS#,SINCE,WHY", mails, nil, func(m notification.Mail) []string {
		since := m.CreatedAt
		if m.EndedAt != nil {
			since = *m.EndedAt
		}
		return []string{m.Kind, string(m.State), strconv.Itoa(m.Attempts), date(since), deref(m.Problem)}
	})
}

// waits is a line about what an order waits for.
func waits(w *api.Waiting, now time.Time) string {
	line := fmt.Sprintf("%s by %s for %s", w.Step, w.Service, max(0, now.Sub(w.Since)).Round(time.Second))
	if w.Attempts > 0 {
		line += fmt.Sprintf(", %d attempts", w.Attempts)
	}
	return line + ": " + w.Why
}

// pollEvery is how often the watched order is asked what it waits for: often enough for a person who looks on.
const pollEvery = 2 * time.Second

// pollWaits shows what an order waits for whenever that has changed, until ctx ends.
func pollWaits(ctx context.Context, s *client.Client, id string, show func(line string)) {
	for shown := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollEvery):
		}
		saga, err := s.Saga(ctx, id)
		if err != nil || saga.WaitingFor == nil {
			continue // the events are shown all the same
		}
		w := saga.WaitingFor
		if now := w.Step + w.Service + w.Why; now != shown {
			shown = now
			next := strings.Join(saga.Expected.Events, " or ")
			show(fmt.Sprintf("%s, %s: waits for %s; next: %s", saga.State, saga.Direction, waits(w, time.Now()), next))
		}
	}
}
