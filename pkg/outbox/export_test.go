package outbox

import (
	"context"

	"example.com/ordersaga/pkg/outbox/ownership"
)

// What tests look at from outside, and rounds of the background loops that they run when they like.

const (
	Window = window
	Rescan = ownership.Rescan
)

// Sweep is one round of the sweeper.
func (o *Outbox) Sweep(ctx context.Context) error { return o.sweeper.RunOnce(ctx) }

// Suspect has the relay look at the broker.
func (o *Outbox) Suspect() { o.relay.recovery.Suspect() }

// Unanswered is how many publications the broker has not answered.
func (o *Outbox) Unanswered() int { return o.relay.js.PublishAsyncPending() }
