package sagactl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/mailbox"
)

func (p *program) deadLetters() *cobra.Command {
	return group("dead-letters", "Shows the messages that no service could handle, and has them handled again or discarded.",
		p.lettersList(), p.lettersShow(), p.lettersRedrive(), p.lettersDiscard(), p.struggling())
}

// letter is a dead letter with the service that has it.
type letter struct {
	Service string `json:"service"`
	adminapi.Letter
}

// letterFilter says which letters are meant.
type letterFilter struct{ service, typ, reason, order string }

func (f *letterFilter) flags(c *cobra.Command) {
	serviceFlag(c, &f.service)
	c.Flags().StringVar(&f.typ, "type", "", "only those whose type has this in it")
	c.Flags().StringVar(&f.reason, "reason", "", "only those whose reason has this in it")
	c.Flags().StringVar(&f.order, "order", "", "only those about this order")
}

func serviceFlag(c *cobra.Command, service *string) {
	c.Flags().StringVar(service, "service", "", "only this service (all)")
}

// servicesBy are those that are meant by the flag.
func servicesBy(service string) []string {
	if service == "" {
		return servicesOr(nil)
	}
	return []string{service}
}

func (p *program) lettersList() *cobra.Command {
	var f letterFilter
	all, limit := false, 0
	c := &cobra.Command{
		Use: "list", Short: "Lists open dead letters, newest first.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			query := url.Values{"type": {f.typ}, "reason": {f.reason}, "order": {f.order}, "limit": {strconv.Itoa(limit)}}
			if !all {
				query.Set("open", "true")
			}
			found := []listed{}
			for _, service := range servicesBy(f.service) {
				var page struct {
					DeadLetters []mailbox.DeadLetter `json:"dead_letters"`
				}
				if err := p.desk(c.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/dead-letters?" + query.Encode()}, &page, "sagactl dead-letters list --help"); err != nil {
					return err
				}
				for _, l := range page.DeadLetters {
					found = append(found, listed{service, l})
				}
			}
			return p.showLetters(found)
		}),
	}
	f.flags(c)
	c.Flags().BoolVar(&all, "all", false, "those that are closed, too")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many of each service")
	return c
}

// listed is a letter without its message.
type listed struct {
	Service string `json:"service"`
	mailbox.DeadLetter
}

func (p *program) showLetters(list []listed) error {
	if p.output == "json" {
		return p.json(list)
	}
	rows := [][]string{{"ID", "SERVICE", "TYPE", "ORDER", "ATTEMPTS#", "LAST", "CLOSED", "REASON"}}
	for _, l := range list {
		closed := ""
		if l.ClosedAs != nil {
			closed = *l.ClosedAs
		}
		rows = append(rows, []string{
			l.ID, l.Service, oneLine(l.Type), oneLine(l.OrderID), strconv.Itoa(l.Attempts), l.LastAt.Local().Format(time.DateTime), closed, oneLine(l.Reason),
		})
	}
	table(p.out, p.width(), rows)
	return nil
}

// oneLine keeps what a stranger wrote from breaking a table, or driving the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func (p *program) lettersShow() *cobra.Command {
	service := ""
	c := &cobra.Command{
		Use: "show ID", Short: "Shows a dead letter with its message, and what was done about it.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			l, err := p.letter(c.Context(), service, args[0])
			if err != nil {
				return err
			}
			return p.showLetter(l)
		}),
	}
	serviceFlag(c, &service)
	return c
}

func (p *program) showLetter(l letter) error {
	if p.output == "json" {
		return p.json(l)
	}
	standing := "open"
	if l.ClosedAs != nil {
		standing = *l.ClosedAs + " " + l.ClosedAt.Local().Format(time.DateTime)
	}
	fmt.Fprintf(p.out, "%s  of %s, %s\nevent   %s %s\norder   %s\nreason  %s\ntried   %d times, from %s to %s\n",
		strong.Render(l.ID), l.Service, standing, oneLine(l.Type), oneLine(l.EventID), oneLine(l.OrderID), oneLine(l.Reason),
		l.Attempts, l.FirstAt.Local().Format(time.DateTime), l.LastAt.Local().Format(time.DateTime))
	message := string(l.Payload)
	if l.Base64 != nil {
		message = strconv.Quote(string(l.Base64))
	}
	fmt.Fprintf(p.out, "message %s\n", oneLine(message))
	for _, done := range l.Actions {
		fmt.Fprintf(p.out, "done    %s  %s by %s: %s\n        %s → %s\n",
			done.At.Local().Format(time.DateTime), done.Action, oneLine(done.By), oneLine(done.Why), done.Before, done.After)
	}
	return nil
}

// letter asks the services for one, until one of them has it.
func (p *program) letter(ctx context.Context, service, id string) (letter, error) {
	for _, service := range servicesBy(service) {
		l := letter{Service: service}
		err := p.desk(ctx, endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/dead-letters/" + url.PathEscape(id)}, &l, "sagactl dead-letters list")
		var refused *endpoints.Refused
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue
		}
		return l, err
	}
	return letter{}, &Failure{failed, fmt.Errorf("no service has a dead letter %q", id), "sagactl dead-letters list --all"}
}
