package sagactl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/console/traces"
	"example.com/ordersaga/apps/system/endpoints"
)

func (p *program) trace() *cobra.Command {
	c := command("trace ORDER", "Draws where the time of an order went, over all services.", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			system, err := p.system()
			if err != nil {
				return err
			}
			trace, err := traceOf(ctx, system, args[0])
			if err != nil {
				return err
			}
			return p.show(trace, func() { showTrace(p.out, cmp.Or(p.width(), usualWidth), trace) })
		})
	c.Long = `Draws the trace of an order that the console has: a line for each span, below the span that it came from.

░ waits in the outbox, ─ waits in the stream, █ work, ▄ a call within it. ✖ an error, ⟲ a further delivery,
= a duplicate, ↻ republished, … recorded from here on.`
	return c
}

// consoleTime is how long the console may take to answer.
const consoleTime = 10 * time.Second

// traceOf asks the console for an order's trace. The error is a [Failure].
func traceOf(ctx context.Context, system endpoints.Description, order string) (trace traces.Trace, err error) {
	console := system.URLs[endpoints.Console]
	if console == "" {
		err := errors.New("the description of the system lacks the console's address; the console has the traces")
		return trace, &Failure{usage, err, "sagactl trace " + shell(order) + " --file another/run.json"}
	}
	ctx, cancel := context.WithTimeout(ctx, consoleTime)
	defer cancel()
	address := console + "/api/orders/" + url.PathEscape(order) + "/trace"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return trace, &Failure{usage, err, "sagactl --file another/run.json …"}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return trace, asked(fmt.Errorf("ask the console: %w", err), "")
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return trace, unanswered(fmt.Errorf("ask the console: %w", err))
	}
	if response.StatusCode != http.StatusOK {
		return trace, noTrace(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, &trace); err != nil {
		return trace, &Failure{failed, fmt.Errorf("ask the console: %w", err), "sagactl --file another/run.json …"}
	}
	return trace, nil
}

// errOff is that nobody sends spans to the console.
var errOff = errors.New("tracing is off")

// noTrace is why there is no trace, in the console's words.
func noTrace(status int, text []byte) error {
	refused := struct {
		endpoints.Refused
		Code string `json:"code"`
	}{Refused: endpoints.Refused{Status: status, Title: http.StatusText(status)}}
	_ = json.Unmarshal(text, &refused) // a problem document; without one the status must do
	if refused.Code == traces.CodeOff {
		err := fmt.Errorf("%w: %s", errOff, strings.TrimPrefix(refused.Detail, errOff.Error()+", "))
		return &Failure{failed, err, "make demo   (it records traces)"}
	}
	return asked(&refused.Refused, "sagactl order list")
}

// usualWidth is how wide a trace is drawn where there is no terminal.
const usualWidth = 80

// row is a span on its line.
type row struct {
	traces.Span
	depth int
}

// rowsOf are the spans below the ones that they came from, each level by its start.
func rowsOf(spans []traces.Span) (rows []row) {
	known, below := map[string]bool{}, map[string][]traces.Span{}
	for _, s := range spans {
		known[s.ID] = true
	}
	for _, s := range spans {
		if !known[s.Parent] {
			s.Parent = "" // the client's, or one that was lost
		}
		below[s.Parent] = append(below[s.Parent], s)
	}
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		for _, s := range below[parent] {
			rows = append(rows, row{s, depth})
			walk(s.ID, depth+1)
		}
	}
	walk("", 0)
	return rows
}

// showTrace draws a trace as wide as that.
func showTrace(w io.Writer, width int, trace traces.Trace) {
	services := map[string]bool{}
	for _, s := range trace.Spans {
		services[s.Service] = true
	}
	line := fmt.Sprintf("%s over %d processes, %d spans", ms(trace.Duration), len(services), len(trace.Spans))
	switch {
	case trace.Partial:
		line += "; the beginning was not recorded"
	case !trace.Ended:
		line += "; not complete yet"
	case trace.Missing > 0:
		line += "; some died with their process"
	}
	fmt.Fprintln(w, ansi.Truncate(strong.Render(line), width, "…"))
	showSpans(w, width, trace)
	for i, l := range trace.Links {
		if i == 0 {
			fmt.Fprintln(w, faint.Render(ansi.Truncate("linked, each in a trace of its own:", width, "…")))
		}
		text := fmt.Sprintf(" %s in %s, %s", cmp.Or(l.Name, "a span"), l.Service, ms(l.Duration))
		fmt.Fprintln(w, faint.Render(ansi.Truncate(text, width, "…")))
	}
}

// showSpans draws a line for each span: its name, its service, its bar, its marks, and how long it took.
func showSpans(w io.Writer, width int, trace traces.Trace) {
	rows, whole := rowsOf(trace.Spans), time.Duration(1)
	names, owners := 0, 0
	for _, r := range rows {
		whole = max(whole, r.Start.Sub(trace.Start)+time.Duration(r.Duration))
		names, owners = max(names, r.depth+lipgloss.Width(r.Name)), max(owners, lipgloss.Width(r.Service))
	}
	const took, gaps, fewest = 9, 4, 8
	names = max(min(names, (width-owners-took-gaps)/2), fewest)
	scale := max(width-names-owners-took-gaps, fewest)
	for _, r := range rows {
		name := ansi.Truncate(strings.Repeat(" ", min(r.depth, names/2))+r.Name, names, "…")
		text := fmt.Sprintf("%s %s %s%s%*s", pad(name, names), faint.Render(pad(r.Service, owners)),
			pad(bar(r.Span, trace.Start, whole, scale), scale), marks(r.Span), took, ms(r.Duration))
		if r.Status == "error" {
			text = bad.Render(text)
		}
		fmt.Fprintln(w, ansi.Truncate(text, width, "…"))
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-lipgloss.Width(text)))
}

// ms is a duration of so many nanoseconds.
func ms(nanoseconds int64) string { return fmt.Sprintf("%.1f ms", float64(nanoseconds)/1e6) }

// bar is where a span lies in the whole.
func bar(s traces.Span, began time.Time, whole time.Duration, width int) string {
	at := func(d time.Duration) int { return int(int64(d) * int64(width) / int64(whole)) }
	from := min(at(s.Start.Sub(began)), width-1)
	to := max(at(s.Start.Sub(began)+time.Duration(s.Duration)), from+1)
	look := map[string]string{"outbox": "░", "stream": "─", "work": "█"}[s.Segment]
	return strings.Repeat(" ", max(from, 0)) + strings.Repeat(cmp.Or(look, "▄"), min(to, width)-from)
}

// marks are what is unusual about a span, in two places.
func marks(s traces.Span) string {
	found := ""
	for _, mark := range []struct {
		sign string
		is   bool
	}{
		{"✖", s.Status == "error"}, {"=", s.Attributes["ordersaga.duplicate"] == "true"},
		{"⟲", s.Attributes["ordersaga.redelivered"] == "true"}, {"↻", s.Attributes["ordersaga.republished"] == "true"},
		{"…", s.Attributes["ordersaga.trace.partial"] == "true"},
	} {
		if mark.is && lipgloss.Width(found) < 2 {
			found += mark.sign
		}
	}
	return pad(found, 2)
}

const (
	// traceTime is how long a watched order's spans are waited for: processes send them some time after they were made.
	traceTime = 2 * time.Second
	// tracePace is how often the console is asked meanwhile.
	tracePace = 200 * time.Millisecond
)

// slowStep describes the part of an order that took longest; empty where there is no trace.
func slowStep(ctx context.Context, system endpoints.Description, order string) string {
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	var trace traces.Trace
	for !trace.Complete {
		found, err := traceOf(ctx, system, order)
		var refused *endpoints.Refused
		if err != nil && !errors.As(err, &refused) { // off, or away
			break
		}
		if err == nil {
			trace = found
		}
		select {
		case <-ctx.Done():
			return longest(trace)
		case <-time.After(tracePace):
		}
	}
	return longest(trace)
}

func longest(trace traces.Trace) string {
	parts := slices.DeleteFunc(slices.Clone(trace.Spans), func(s traces.Span) bool { return s.Segment == "" })
	if len(parts) == 0 {
		return ""
	}
	s := slices.MaxFunc(parts, func(a, b traces.Span) int { return cmp.Compare(a.Duration, b.Duration) })
	took, of := ms(s.Duration), ms(trace.Duration)
	return fmt.Sprintf("slowest: %s in %s (%s), %s of %s", s.Name, s.Service, s.Segment, took, of)
}
