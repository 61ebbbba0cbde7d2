// Package demo plays scenes on a running system: orders that succeed, fail, are undone, and survive a kill.
// Each scene shows its saga as it happens, and whether it ended as it should.
package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

var (
	title = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
)

// sceneLimit is how long a scene may take. The longest waits five seconds until the broker delivers again
// what a killed service held, and the machine may be busy.
const sceneLimit = 45 * time.Second

// Stage is where the scenes are played.
type Stage struct {
	out     io.Writer
	screen  *sagaview.Timeline
	system  *supervisor.System
	where   endpoints.Description
	shop    *client.Client
	stream  *eventlog.Stream
	deaths  <-chan supervisor.Death
	current string   // the order on stage
	placed  []string // all that were
}

// NewStage sets the stage on a running system. Deaths of its processes are shown as they come in.
func NewStage(out io.Writer, width int, s *supervisor.System, deaths <-chan supervisor.Death) (*Stage, error) {
	where := s.Describe()
	customer, err := client.New(where)
	if err != nil {
		return nil, err
	}
	stream, err := eventlog.Open(where.NATS)
	if err != nil {
		return nil, err
	}
	return &Stage{
		out: out, screen: sagaview.New(out, width, false), system: s, where: where,
		shop: customer, stream: stream, deaths: deaths,
	}, nil
}

// Close leaves the stage; the system goes on.
func (s *Stage) Close() { s.stream.Close() }

// Play plays all scenes. The error names the scene that did not end as it should.
func (s *Stage) Play(ctx context.Context) error {
	for n, scene := range scenes() {
		fmt.Fprintf(s.out, "\n%s %s\n", title.Render(fmt.Sprintf("%d. %s.", n+1, scene.name)), faint.Render(scene.sentence))
		if err := s.play(ctx, scene); err != nil {
			return fmt.Errorf("scene %q: %w", scene.name, err)
		}
	}
	return nil
}

func (s *Stage) play(ctx context.Context, scene scene) error {
	ctx, cancel := context.WithTimeout(ctx, sceneLimit)
	defer cancel()
	if scene.before != nil {
		if err := scene.before(ctx, s); err != nil {
			return err
		}
	}
	live, err := s.stream.Listen("") // before the order exists, so that nothing of it is missed
	if err != nil {
		return err
	}
	defer live.Stop() //nolint:errcheck // a closed connection has no subscription either
	scene.order.Email = customer
	placed, _, err := s.shop.Place(ctx, scene.order)
	if err != nil {
		return err
	}
	s.current, s.placed = placed.Id, append(s.placed, placed.Id)
	if err := s.follow(ctx, live, scene); err != nil {
		return err
	}
	s.screen.End(placed.Id)
	ended, err := s.shop.Get(ctx, placed.Id)
	if err != nil {
		return err
	}
	return scene.judge(ended)
}

// follow shows the order's events until its end, and lets the scene do something after one of them.
func (s *Stage) follow(ctx context.Context, live *eventlog.Live, scene scene) error {
	seenEvents, failed := s.receive(ctx, live)
	shown := map[string]bool{}
	for {
		select {
		case death := <-s.deaths:
			s.screen.Note(s.current, death.At, events.Service(death.Process),
				fmt.Sprintf("process %d %s, and is started again", death.PID, death.How))
		case err := <-failed:
			return err
		case seen := <-seenEvents:
			if seen.Envelope.Subject != s.current || shown[seen.Envelope.ID] {
				continue
			}
			shown[seen.Envelope.ID] = true
			s.screen.Show(seen)
			if scene.after != nil && seen.Problem == nil {
				if err := scene.after(ctx, s, seen.Event); err != nil {
					return err
				}
			}
			if s.screen.Saga(s.current).Ended() {
				return nil
			}
		}
	}
}

// receive sends the events to a channel, so that the loop can wait for deaths at the same time.
func (s *Stage) receive(ctx context.Context, live *eventlog.Live) (<-chan eventlog.Seen, <-chan error) {
	received, failed := make(chan eventlog.Seen), make(chan error, 1)
	go func() {
		for {
			seen, err := live.Next(ctx)
			if err != nil {
				failed <- err
				return
			}
			select {
			case received <- seen:
			case <-ctx.Done():
				return
			}
		}
	}()
	return received, failed
}

// ended checks an order's end. A reason is a code, perhaps with details after a colon.
func ended(status api.Status, reason string) func(api.Order) error {
	return func(o api.Order) error {
		found := ""
		if o.Reason != nil {
			found = *o.Reason
		}
		if o.Status != status || !strings.HasPrefix(found, reason) {
			return fmt.Errorf("order %s ended %s (%s), not %s (%s)", o.Id, o.Status, found, status, reason)
		}
		return nil
	}
}
