package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
)

func (p *program) watch() *cobra.Command {
	var past bool
	c := &cobra.Command{
		Use:   "watch [ORDER]",
		Short: "Shows sagas as they happen, over all services.",
		Long: `Shows sagas as they happen, over all services: of one order from its beginning until it has ended, or of all
orders from now on, until Ctrl-C. Of one order it also shows what it waits for when nothing happens, and at its end
which part took longest, where traces are recorded.

→ a step, ✗ the saga turns round, ↩ a step undone, ■ the end, ! a person is needed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			orderID := ""
			if len(args) == 1 {
				orderID, past = args[0], true
			}
			return p.watchOrder(c.Context(), orderID, past)
		}),
	}
	c.Flags().BoolVar(&past, "past", false, "begin with everything that the stream still holds")
	return c
}

// errEnded ends the following of an order.
var errEnded = errors.New("the saga has ended")

func (p *program) watchOrder(ctx context.Context, orderID string, past bool) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	s, err := p.client()
	if err != nil {
		return err
	}
	if orderID != "" { // an order that does not exist would be waited for without end
		if _, err := s.Get(ctx, orderID); err != nil {
			return asked(err, "sagactl order list")
		}
	}
	stream, err := eventlog.Open(system.NATS)
	if err != nil {
		return unanswered(err)
	}
	defer stream.Close()
	show := p.eventWriter(orderID)
	var screen sync.Mutex // shared by the events and what the order waits for
	if orderID != "" && p.output != "json" {
		following, stop := context.WithCancel(ctx)
		var polling sync.WaitGroup
		defer polling.Wait()
		defer stop()
		polling.Go(func() {
			pollWaits(following, s, orderID, func(line string) {
				screen.Lock()
				defer screen.Unlock()
				fmt.Fprintln(p.out, faint.Render("           … "+line))
			})
		})
	}
	err = stream.Follow(ctx, orderID, past, func(seen eventlog.Seen) error {
		screen.Lock()
		defer screen.Unlock()
		return show(seen)
	})
	if errors.Is(err, errEnded) && p.output != "json" {
		if slow := slowStep(ctx, system, orderID); slow != "" {
			fmt.Fprintln(p.out, faint.Render("           "+slow+"; all: sagactl trace "+orderID))
		}
	}
	if errors.Is(err, errEnded) || ctx.Err() != nil {
		return nil
	}
	return asked(err, "sagactl watch")
}

// eventWriter shows one event after the other; for one order it ends with the saga.
func (p *program) eventWriter(orderID string) func(eventlog.Seen) error {
	screen := sagaview.New(p.out, p.width(), orderID == "")
	return func(seen eventlog.Seen) error {
		if p.output == "json" {
			if err := json.NewEncoder(p.raw).Encode(published(seen)); err != nil {
				return err
			}
		} else {
			screen.Show(seen)
		}
		switch seen.Event.(type) {
		case events.OrderConfirmed, events.OrderCancelled:
			if orderID != "" {
				if p.output != "json" {
					screen.End(orderID)
				}
				return errEnded
			}
		}
		return nil
	}
}

// published is a message as it was published, or with its text and what is wrong with it, where it is no JSON.
func published(seen eventlog.Seen) any {
	if json.Valid(seen.Raw) {
		return json.RawMessage(seen.Raw)
	}
	return map[string]string{"subject": seen.Subject, "problem": fmt.Sprint(seen.Problem), "raw": string(seen.Raw)}
}
