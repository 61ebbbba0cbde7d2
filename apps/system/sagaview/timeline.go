// Package sagaview shows the sagas of orders as they happen, one line an event, so that a person can
// follow them: who did what, how long after the beginning, and where it turns round.
package sagaview

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// The sixteen colours of the terminal's own theme, so that they are legible on a light background too.
var colours = map[events.Service]lipgloss.Style{
	events.Order:     lipgloss.NewStyle().Foreground(lipgloss.Blue),
	events.Inventory: lipgloss.NewStyle().Foreground(lipgloss.Cyan),
	events.Payment:   lipgloss.NewStyle().Foreground(lipgloss.Magenta),
	events.Shipping:  lipgloss.NewStyle().Foreground(lipgloss.Yellow),
}

var (
	red    = lipgloss.NewStyle().Foreground(lipgloss.Red)
	green  = lipgloss.NewStyle().Foreground(lipgloss.Green).Bold(true)
	orange = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	faint  = lipgloss.NewStyle().Faint(true)
	bold   = lipgloss.NewStyle().Bold(true)
)

// Timeline writes sagas to a terminal.
type Timeline struct {
	w     io.Writer
	width int  // of the terminal; 0: unknown, nothing is cut
	many  bool // several orders share the screen, so each line names its order
	sagas map[string]*shown
}

type shown struct {
	*Saga
	began time.Time
}

// New shows one order after the other on w, which decides about colours. Lines are cut at width, unless
// that is 0. With many, orders are shown mixed, and each line names its order.
func New(w io.Writer, width int, many bool) *Timeline {
	return &Timeline{w: w, width: width, many: many, sagas: map[string]*shown{}}
}

// Saga is what has been seen of an order.
func (t *Timeline) Saga(orderID string) *Saga {
	if saga := t.sagas[orderID]; saga != nil {
		return saga.Saga
	}
	return NewSaga()
}

// Show writes the line of one event.
func (t *Timeline) Show(seen eventlog.Seen) {
	if seen.Problem != nil {
		t.line(red.Render("! " + seen.Subject + " is no event that is known here: " + seen.Problem.Error()))
		return
	}
	saga := t.saga(seen.Envelope.Subject, seen.Envelope.Time)
	saga.Apply(seen.Event)
	what, detail := describe(seen.Event)
	styled := paint(what, seen.Event).Render(fmt.Sprintf("%s %-20s", marks[what], name(seen.Event.Type())))
	t.entry(seen.Envelope.Subject, since(saga.began, seen.Envelope.Time), seen.Event.Type().Service, styled+" "+detail)
}

// Note writes a line about something that is not an event, for example that a process was killed.
func (t *Timeline) Note(orderID string, at time.Time, who events.Service, what string) {
	t.entry(orderID, since(t.saga(orderID, at).began, at), who, red.Render("⚡ "+what))
}

// End writes how an order stands: the saga as a whole, and each service's part.
func (t *Timeline) End(orderID string) {
	saga := t.Saga(orderID)
	parts := make([]string, 0, len(saga.Services))
	for _, service := range events.Services[1:] {
		parts = append(parts, fmt.Sprintf("%s %s", service, saga.Services[service].render()))
	}
	t.line(fmt.Sprintf("%10s %s", "", saga.State.render()+faint.Render(" · ")+strings.Join(parts, faint.Render(" · "))))
}

func (t *Timeline) saga(orderID string, at time.Time) *shown {
	if t.sagas[orderID] == nil {
		t.sagas[orderID] = &shown{NewSaga(), at}
	}
	return t.sagas[orderID]
}

// name is an event's name, with its version where that is not the first.
func name(t events.Type) string {
	if t.Major == 1 {
		return t.Name
	}
	return fmt.Sprintf("%s v%d", t.Name, t.Major)
}

func (t *Timeline) entry(orderID, when string, who events.Service, what string) {
	text := fmt.Sprintf("%s %s %s", faint.Render(fmt.Sprintf("%10s", when)), colours[who].Render(fmt.Sprintf("%-9s", who)),
		what)
	if t.many {
		text = faint.Render("…"+Short(orderID)) + text
	}
	t.line(text)
}

func (t *Timeline) line(text string) {
	if t.width > 0 {
		text = ansi.Truncate(text, t.width, "…")
	}
	fmt.Fprintln(t.w, text)
}

// Short is the end of an order's id: its beginning is the time, much the same for all.
func Short(orderID string) string { return orderID[max(0, len(orderID)-6):] }

// since shows how long after the beginning something was.
func since(began, at time.Time) string {
	passed := max(0, at.Sub(began))
	if passed < time.Second {
		return fmt.Sprintf("+%d ms", passed.Milliseconds())
	}
	return fmt.Sprintf("+%.2f s", passed.Seconds())
}

func paint(what kind, event events.Event) lipgloss.Style {
	switch what {
	case refusal, compensation:
		return red
	case attention:
		return orange
	case ending:
		if _, confirmed := event.(events.OrderConfirmed); confirmed {
			return green
		}
		return bold
	default:
		return lipgloss.NewStyle()
	}
}

func (p Progress) render() string {
	switch p {
	case Committed:
		return green.Render(string(p))
	case Compensating:
		return orange.Render(string(p))
	case Compensated, NotDone:
		return faint.Render(string(p))
	default:
		return string(p)
	}
}

func (s State) render() string {
	switch s {
	case Succeeded:
		return green.Render("saga " + string(s))
	case Failed, Undoing:
		return red.Render("saga " + string(s))
	default:
		return bold.Render("saga " + string(s))
	}
}
