package mailbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
)

// Handler ties an event to the step that reacts to it; made by [Hear] or [Upcast].
type Handler struct {
	heard  heard
	upcast func(events.Event) events.Event // nil: the step hears what arrives
	run    func(context.Context, pgx.Tx, events.Event) (events.Event, error)
}

// heard names what a handler listens to. Who published it does not matter: incidents of every service
// are one handler's.
type heard struct {
	name  string
	major int
}

func (h heard) String() string { return fmt.Sprintf("%s v%d", h.name, h.major) }

func heardAs(t events.Type) heard { return heard{t.Name, t.Major} }

// Hear makes a handler of a step. The step's parameter says which event it hears. It runs inside the
// inbox's transaction, together with other steps of the same batch, and returns the event that follows,
// or nil. An error means try again later; one wrapped by [Poison] means park the event.
func Hear[E events.Event](step func(ctx context.Context, tx pgx.Tx, event E) (events.Event, error)) Handler {
	var e E
	return Handler{heard: heardAs(e.Type()), run: func(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
		return step(ctx, tx, event.(E))
	}}
}

// Upcast makes a handler of an older version of an event. What arrives is said anew in the version that the
// step hears before anything else sees it, so neither the step nor Prepare knows that there is an older one.
// The inbox remembers the event under its own id and type. The function must be pure, and cannot fail: an
// event that could not be upcast would be one that its publisher was never allowed to say.
func Upcast[Old, New events.Event](newer func(Old) New, step func(ctx context.Context, tx pgx.Tx, event New) (events.Event, error)) Handler {
	var old Old
	handler := Hear(step)
	handler.heard = heardAs(old.Type())
	handler.upcast = func(event events.Event) events.Event { return newer(event.(Old)) }
	return handler
}

// read is the event as the step hears it.
func (h Handler) read(event events.Event) events.Event {
	if h.upcast == nil {
		return event
	}
	return h.upcast(event)
}

// call runs the step. A panic becomes the event's error instead of the end of the process: the event
// would be delivered again after the restart and end it again, and all other events with it. As an error
// it is tried again alone, ever more slowly, until a version that can handle it is deployed.
func (h Handler) call(ctx context.Context, tx pgx.Tx, event events.Event) (answer events.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return h.run(ctx, tx, event)
}

// poison is an error that trying again cannot cure.
type poison struct{ error }

// Unwrap gives the error that Poison was given.
func (p poison) Unwrap() error { return p.error }

// Poison marks an error that trying again cannot cure: the event is parked in dead_letter.
func Poison(err error) error { return poison{err} }

func isPoison(err error) bool {
	var p poison
	return errors.As(err, &p)
}

// index checks that the handlers are exactly what the catalogue says the service hears. A missing one
// would stop sagas; one too many waits for events that its consumer never gets.
func index(service events.Service, handlers []Handler) (map[heard]Handler, error) {
	if !slices.Contains(events.Services, service) {
		return nil, fmt.Errorf("%q is not one of the services %v", service, events.Services)
	}
	by := make(map[heard]Handler, len(handlers))
	for _, h := range handlers {
		if _, twice := by[h.heard]; twice {
			return nil, fmt.Errorf("%s has two handlers of %s", service, h.heard)
		}
		by[h.heard] = h
	}
	wanted := make(map[heard]bool)
	for _, t := range events.Subscriptions[service] {
		wanted[heardAs(t)] = true
		if _, ok := by[heardAs(t)]; !ok {
			return nil, fmt.Errorf("%s has no handler of %s, which it hears", service, heardAs(t))
		}
	}
	for _, h := range handlers {
		if !wanted[h.heard] {
			return nil, fmt.Errorf("%s has a handler of %s, which it does not hear", service, h.heard)
		}
	}
	return by, nil
}
