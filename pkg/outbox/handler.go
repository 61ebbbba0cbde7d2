package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Handler is a step and the type of event that it handles; made by [Handle], [HandleBatch] or [Upcast].
type Handler struct {
	event    any           // the zero value of what arrives
	convert  func(any) any // nil: the step takes what arrives
	step     func(ctx context.Context, tx pgx.Tx, events []any) (answers []any, err error)
	batch    bool   // the step takes several events at once
	name     string // as the codec names the event
	position int    // among the handlers: steps of several events run in this order
}

// Handle makes a handler of a step. The type of the step's parameter selects the events that it gets. The step runs
// inside the inbox's transaction, which it shares with other steps of the same batch, and returns the event that
// follows, or nil. On an error the event is retried later; on one that [DeadLetter] marks it is dead-lettered.
//
// R is the application's interface of events, or any.
func Handle[E, R any](step func(ctx context.Context, tx pgx.Tx, event E) (R, error)) Handler {
	var zero E
	return Handler{event: zero, step: func(ctx context.Context, tx pgx.Tx, events []any) ([]any, error) {
		answer, err := step(ctx, tx, events[0].(E))
		return []any{answer}, err
	}}
}

// HandleBatch makes a handler of a step that takes many events in one call: all new events of a batch that are of
// type E, in the order of their keys. Of events with one key a call has only the first; those behind it come in a
// later call, so that their order is kept. The step returns one answer for each event, nil where there is none, or
// nil in place of all answers. When it fails, it is called again for each event alone.
func HandleBatch[E, R any](step func(ctx context.Context, tx pgx.Tx, events []E) ([]R, error)) Handler {
	var zero E
	return Handler{event: zero, batch: true, step: func(ctx context.Context, tx pgx.Tx, events []any) ([]any, error) {
		typed, answers := make([]E, len(events)), make([]any, len(events))
		for i, event := range events {
			typed[i] = event.(E)
		}
		answered, err := step(ctx, tx, typed)
		if err == nil && answered != nil && len(answered) != len(events) {
			err = fmt.Errorf("%d answers to %d events", len(answered), len(events))
		}
		if err != nil {
			return nil, err
		}
		for i, answer := range answered {
			answers[i] = answer
		}
		return answers, nil
	}}
}

// Upcast makes a handler of an older version of an event out of the handler of a newer one. An event of the older
// version is converted before anything else sees it: neither the step nor [Config].Prepare knows that there is an
// older version. The inbox stores the event under its own id and type. The conversion must be pure, and cannot fail.
func Upcast[Old, New any](newer func(Old) New, handler Handler) Handler {
	var zero Old
	handler.event = zero
	handler.convert = func(event any) any { return newer(event.(Old)) }
	return handler
}

// Event is the zero value of the event that the handler gets.
func (h Handler) Event() any { return h.event }

// deadLetterError is an error that a retry cannot cure.
type deadLetterError struct{ error }

// Unwrap returns the error that DeadLetter was given.
func (e deadLetterError) Unwrap() error { return e.error }

// DeadLetter marks an error that a retry cannot cure: the event is stored in dead_letter, and not delivered any more.
func DeadLetter(err error) error { return deadLetterError{err} }

// index finds the handler of an event by the codec's name for it.
func index(codec Codec, handlers []Handler) (map[string]*Handler, error) {
	byName := make(map[string]*Handler, len(handlers))
	for i, h := range handlers {
		h.name, h.position = codec.Type(h.event), i
		if _, twice := byName[h.name]; twice {
			return nil, fmt.Errorf("there are two handlers of %s", h.name)
		}
		byName[h.name] = &h
	}
	return byName, nil
}

// runSteps runs the steps and returns the answers. Events with one key keep the order in which they arrived. The keys
// take their turns in order: steps insert rows that no Prepare can lock beforehand, and two replicas that handle the
// same two keys in different orders would deadlock.
func (in *inbox) runSteps(ctx context.Context, tx pgx.Tx, fresh []delivery) ([]Message, error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	turns := slices.Clone(fresh)
	slices.SortStableFunc(turns, func(a, b delivery) int { return slices.Compare(a.key[:], b.key[:]) })
	if in.Prepare != nil {
		if err := in.Prepare(ctx, tx, eventsOf(turns)); err != nil {
			return nil, fmt.Errorf("prepare a batch of %d: %w", len(turns), err)
		}
	}
	answers := make([]Message, 0, len(turns))
	for _, call := range plan(turns) {
		about := fmt.Sprintf("%s of %d events", call[0].Type, len(call))
		if len(call) == 1 {
			about = fmt.Sprintf("%s of %s %s", call[0].Type, in.KeyName, call[0].Key)
		}
		following, err := call[0].handler.run(ctx, tx, call)
		for i := 0; i < len(following) && err == nil; i++ {
			answers, err = in.answer(answers, call[i], following[i])
		}
		if err == nil {
			err = in.failpoint(ctx, InboxStepped, call)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", about, err)
		}
	}
	return answers, nil
}

// answer encodes what follows from an event. What cannot be encoded now will be no better the next time.
func (in *inbox) answer(answers []Message, d delivery, following any) ([]Message, error) {
	if following == nil {
		return answers, nil
	}
	message, err := in.Codec.Encode(following, d.cause())
	if err != nil {
		return answers, DeadLetter(err)
	}
	return append(answers, message), nil
}

// plan splits a batch into calls of steps. Where no step takes several events, each event is a call, in the order of
// the turns. Otherwise an event goes to a later round than the one before it that has the same key, if one of
// the two has a step that takes several: so that the order within a key is kept. A round has the steps that take
// several events first.
func plan(turns []delivery) [][]delivery {
	round, last := make([]int, len(turns)), 0
	handlers := 0
	for i, d := range turns {
		handlers = max(handlers, d.handler.position+1)
		if i > 0 && d.key == turns[i-1].key {
			round[i] = round[i-1]
			if d.handler.batch || turns[i-1].handler.batch {
				round[i]++
			}
			last = max(last, round[i])
		}
	}
	calls := make([][]delivery, 0, len(turns))
	for n := range last + 1 {
		together, alone := make([][]delivery, handlers), make([][]delivery, 0, len(turns))
		for i, d := range turns {
			switch {
			case round[i] != n:
			case d.handler.batch:
				together[d.handler.position] = append(together[d.handler.position], d)
			default:
				alone = append(alone, turns[i:i+1])
			}
		}
		together = slices.DeleteFunc(together, func(call []delivery) bool { return len(call) == 0 })
		calls = append(append(calls, together...), alone...)
	}
	return calls
}

// run calls the step. A panic becomes the error of its events instead of the end of the process: the events would
// be delivered again after the restart, and end it again.
func (h *Handler) run(ctx context.Context, tx pgx.Tx, call []delivery) (answers []any, err error) {
	defer recoverAsError(&err)
	causes := make([]Cause, len(call))
	for i, d := range call {
		causes[i] = d.cause()
	}
	return h.step(context.WithValue(ctx, causesKey{}, causes), tx, eventsOf(call))
}

func recoverAsError(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

func eventsOf(batch []delivery) []any {
	events := make([]any, len(batch))
	for i, d := range batch {
		events[i] = d.Event
	}
	return events
}

func isDeadLetter(err error) bool {
	var marked deadLetterError
	return errors.As(err, &marked)
}
