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
	event   any           // the zero value of what arrives
	convert func(any) any // nil: the step takes what arrives
	step    func(ctx context.Context, tx pgx.Tx, events []any) (answers []any, err error)
	batch   bool // the step takes several events at once
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
	for _, h := range handlers {
		name := codec.Type(h.event)
		if byName[name] != nil {
			return nil, fmt.Errorf("there are two handlers of %s", name)
		}
		byName[name] = &h
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
		following, err := call[0].handler.run(ctx, tx, call)
		for i := 0; i < len(following) && err == nil; i++ {
			if following[i] == nil {
				continue
			}
			var answer Message
			if answer, err = in.Codec.Encode(following[i], call[i].cause()); err != nil {
				err = DeadLetter(err) // it will be no better the next time
			}
			answers = append(answers, answer)
		}
		if err == nil {
			err = in.failpoint(ctx, InboxStepped, call)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s %s and %d more: %w", call[0].Type, in.KeyName, call[0].Key, len(call)-1, err)
		}
	}
	return answers, nil
}

// plan splits a batch into calls of steps, in the order of the turns. Events for one step of [HandleBatch] share a call
// if each is the n-th event of its key, and if the event before it of the same key is in an earlier call.
func plan(turns []delivery) (calls [][]delivery) {
	type place struct {
		handler *Handler
		n       int
	}
	shared := make(map[place]int)
	n, previous := 0, -1
	for i, d := range turns {
		if n++; i == 0 || d.key != turns[i-1].key {
			n, previous = 0, -1
		}
		call, open := shared[place{d.handler, n}]
		if !d.handler.batch || !open || call <= previous {
			call, calls = len(calls), append(calls, nil)
			shared[place{d.handler, n}] = call
		}
		calls[call] = append(calls[call], d)
		previous = call
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
	return h.step(WithCause(ctx, causes...), tx, eventsOf(call))
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

func isDeadLetter(err error) bool { return errors.As(err, new(deadLetterError)) }
