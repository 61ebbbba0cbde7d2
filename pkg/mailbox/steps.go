package mailbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

// steps runs the steps and collects the answers. Events about one order keep the order in which they
// arrived; the orders themselves take their turns by id. Steps insert rows that no Prepare can lock
// beforehand, and two replicas that met the same two orders in different turns would deadlock.
func (in *inbox) steps(ctx context.Context, tx pgx.Tx, fresh []delivery) (*outboxRows, error) {
	answers := newOutboxRows(len(fresh))
	if len(fresh) == 0 {
		return answers, nil
	}
	turns := slices.Clone(fresh)
	slices.SortStableFunc(turns, func(a, b delivery) int { return slices.Compare(a.order[:], b.order[:]) })
	if err := in.prepared(ctx, tx, turns); err != nil {
		return nil, err
	}
	for _, d := range turns {
		answer, err := d.handler.call(WithCause(ctx, d.cause()), tx, d.event)
		if err == nil {
			err = in.add(answers, d, answer)
		}
		if err == nil {
			err = in.faults.At(ctx, failpoint.InboxStepped, d.event.Order())
		}
		if err != nil {
			return nil, fmt.Errorf("%s of order %s: %w", d.handler.heard, d.order, err)
		}
	}
	return answers, nil
}

// add collects an answer. One that cannot be said will be no better the next time, so its event is poison;
// so is another service's event, which the broker would refuse to take from this one, for ever.
func (in *inbox) add(answers *outboxRows, d delivery, answer events.Event) error {
	if answer == nil {
		return nil
	}
	if answer.Type().Service != in.service {
		return Poison(fmt.Errorf("answered with %s, which is not %s's to say", answer.Type(), in.service))
	}
	if err := answers.add(d.cause(), answer); err != nil {
		return Poison(err)
	}
	return nil
}

func (in *inbox) prepared(ctx context.Context, tx pgx.Tx, fresh []delivery) error {
	if in.prepare == nil {
		return nil
	}
	batch := make([]events.Event, len(fresh))
	for i, d := range fresh {
		batch[i] = d.event
	}
	if err := in.prepare(ctx, tx, batch); err != nil {
		return fmt.Errorf("prepare a batch of %d: %w", len(batch), err)
	}
	return nil
}
