package sagactl

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/messaging"
)

func (p *program) deadLetters() *cobra.Command {
	const short = "Shows the messages that no service could handle, and has them handled again or discarded."
	return group("dead-letters", short,
		p.lettersList(), p.lettersShow(), p.lettersRedrive(), p.lettersDiscard(), p.retrying())
}

// letter is a dead letter with its message and what was done about it.
type letter struct {
	owner
	adminapi.Letter
}

// listedLetter is one in a list, without its message.
type listedLetter struct {
	owner
	adminapi.DeadLetter
}

// letterFilter selects dead letters.
type letterFilter struct{ service, typ, reason, order string }

func (f *letterFilter) flags(c *cobra.Command) {
	serviceFlag(c, &f.service)
	c.Flags().StringVar(&f.typ, "type", "", "only those whose type has this in it")
	c.Flags().StringVar(&f.reason, "reason", "", "only those whose reason has this in it")
	c.Flags().StringVar(&f.order, "order", "", "only those about this order")
}

func (p *program) lettersList() *cobra.Command {
	var f letterFilter
	var part paging
	all := false
	const short = "Lists open dead letters, newest first."
	c := command("list", short, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		query := url.Values{"type": {f.typ}, "reason": {f.reason}, "order": {f.order}}
		if !all {
			query.Set("open", "true")
		}
		place := func(l listedLetter) string { return l.Cursor() }
		found, next, err := page(ctx, p, servicesOr(f.service), "dead-letters", query, part, place)
		if err != nil {
			return err
		}
		const headings = "ID,SERVICE,TYPE,ORDER,ATTEMPTS#,LAST,CLOSED,REASON"
		return showList(p, "dead_letters", headings, found, next, func(l listedLetter) []string {
			return []string{
				l.ID, l.Service, oneLine(l.Type), oneLine(l.OrderID), strconv.Itoa(l.Attempts), date(l.LastAt),
				deref(l.ClosedAs), oneLine(l.Reason),
			}
		})
	})
	f.flags(c)
	c.Flags().BoolVar(&all, "all", false, "those that are closed, too")
	part.flags(c)
	return c
}

// retryingEvent is an event that fails and is still retried.
type retryingEvent struct {
	owner
	messaging.Retrying
}

// retrying lists what is no dead letter yet.
func (p *program) retrying() *cobra.Command {
	service, attempts := "", 0
	const short = "Lists events that fail repeatedly and are still retried, the one that waits longest first."
	c := command("struggling", short, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		query := url.Values{"attempts": {strconv.Itoa(attempts)}}
		const help = "sagactl dead-letters struggling --help"
		found, _, err := list[retryingEvent](ctx, p, servicesOr(service), "struggling", query, help)
		if err != nil {
			return err
		}
		const headings = "EVENT,SERVICE,TYPE,ORDER,ATTEMPTS#,WAITS,REASON"
		return showList(p, "struggling", headings, found, nil, func(e retryingEvent) []string {
			waits := time.Since(e.Since).Round(time.Second).String()
			return []string{e.EventID, e.Service, e.Type, e.OrderID, strconv.Itoa(e.Attempts), waits, oneLine(e.Reason)}
		})
	})
	serviceFlag(c, &service)
	c.Flags().IntVar(&attempts, "attempts", messaging.RetryAlert, "only those that have failed this often")
	return c
}

func (p *program) lettersShow() *cobra.Command {
	service := ""
	const short = "Shows a dead letter with its message, and what was done about it."
	c := command("show ID", short, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		return p.showLetter(ctx, service, args[0])
	})
	serviceFlag(c, &service)
	return c
}

func (p *program) letter(ctx context.Context, service, id string) (letter, error) {
	return find[letter](ctx, p, service, "dead-letters", "a dead letter", id)
}

func (p *program) showLetter(ctx context.Context, service, id string) error {
	l, err := p.letter(ctx, service, id)
	if err != nil {
		return err
	}
	return p.show(l, func() {
		status, message := "open", string(l.Payload)
		if l.ClosedAs != nil {
			status = *l.ClosedAs + " " + date(*l.ClosedAt)
		}
		if l.Base64 != nil {
			message = strconv.Quote(string(l.Base64))
		}
		fmt.Fprintf(p.out, "%s  of %s, %s\nevent   %s %s\norder   %s\nreason  %s\n", strong.Render(l.ID), l.Service, status,
			oneLine(l.Type), oneLine(l.EventID), oneLine(l.OrderID), oneLine(l.Reason))
		fmt.Fprintf(p.out, "tried   %d times, from %s to %s\nmessage %s\n",
			l.Attempts, date(l.FirstAt), date(l.LastAt), oneLine(message))
		p.showActions(l.Actions)
	})
}
