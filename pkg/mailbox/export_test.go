package mailbox

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
)

// What tests look at from outside, and rounds of the background loops that they run when they like.

const (
	MaxBatch = maxBatch
	Window   = window
	AckTime  = ackTime
	Rescan   = rescan
	Horizon  = horizon
)

// Sweep is one round of the sweeper.
func (m *Mailbox) Sweep(ctx context.Context) error { return m.sweeper.runOnce(ctx) }

// Suspect has the relay look at the broker again.
func (m *Mailbox) Suspect() { m.relay.suspect() }

// Flying is how many rows the relay takes for being under way.
func (m *Mailbox) Flying() int {
	m.relay.flights.mu.Lock()
	defer m.relay.flights.mu.Unlock()
	return len(m.relay.flights.flying)
}

// StreamSettings and ConsumerSettings are what Provision sets.
func StreamSettings() jetstream.StreamConfig { return streamSettings(jetstream.StreamConfig{}) }

// ConsumerSettings are those of one service's consumer.
func ConsumerSettings(s events.Service) jetstream.ConsumerConfig {
	return consumerSettings(jetstream.ConsumerConfig{}, string(s), events.Subscriptions[s])
}
