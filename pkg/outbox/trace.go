package outbox

import (
	"context"
	"time"
)

// Delivery is a message that is about to be handled.
type Delivery struct {
	Received
	Attempt int       // deliveries of the message up to now, from 1; 0 for [Outbox.Redeliver]
	Since   time.Time // in the stream; zero for [Outbox.Redeliver]
}

// Sent is a message that the broker has acknowledged.
type Sent struct {
	ID                 string // of the event
	Key, Type, Subject string
	TraceParent        string
	StoredAt, SentAt   time.Time // in the outbox; to the broker
	Republish          bool      // the broker had lost it, perhaps
}

// Tracer records spans. Its methods are called by many goroutines, and must not block.
type Tracer interface {
	// Begin is called before a batch is handled in one transaction, whose context it returns.
	Begin(ctx context.Context, batch []Delivery) (context.Context, Trace)
	// Acknowledged is called for messages that have a traceparent.
	Acknowledged(message Sent)
}

// Trace is that of one batch.
type Trace interface {
	// TraceParent is what the events that follow from the i-th delivery continue; empty: what the delivery has itself.
	TraceParent(i int) string
	// Stored is called when everything is written, the answers among it, and the commit comes.
	Stored(answers []Message)
	// End gets the ids of the events that were new, or why the batch was rolled back.
	End(fresh map[string]bool, err error)
}

// trace begins the trace of a batch. It is nil where nobody traces.
func (c *Config) trace(ctx context.Context, batch []delivery) (context.Context, Trace) {
	if c.Tracer == nil {
		return ctx, nil
	}
	list := make([]Delivery, len(batch))
	for i, d := range batch {
		list[i] = d.Delivery
	}
	ctx, trace := c.Tracer.Begin(ctx, list)
	for i := range batch {
		batch[i].trace = trace.TraceParent(i)
	}
	return ctx, trace
}

// endTrace ends it, where there is one.
func endTrace(trace Trace, fresh []delivery, err error) {
	if trace == nil {
		return
	}
	ids := make(map[string]bool, len(fresh))
	for _, d := range fresh {
		ids[d.ID] = true
	}
	trace.End(ids, err)
}

// traceAck reports that the broker has acknowledged a message.
func (r *relay) traceAck(f *flight) {
	if r.Tracer == nil || f.Trace == "" {
		return
	}
	r.Tracer.Acknowledged(Sent{
		ID: f.ID, Key: f.Key.String(), Type: f.Type, Subject: f.Subject, TraceParent: f.Trace,
		StoredAt: f.CreatedAt, SentAt: f.since, Republish: f.Republish,
	})
}
