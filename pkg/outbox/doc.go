// Package outbox is a transactional outbox with its relay, and an inbox, over Postgres and NATS JetStream. Applications
// use it to inform each other of what has happened, so that every event takes effect exactly once, whatever
// process crashes at whatever moment. All state is in the application's own database, beside the application's tables.
//
// # The problem
//
// An application changes its database and publishes an event about it. These are two systems, and no order of the two
// calls is safe. If it commits first and crashes, the event is never published. If it publishes first and the commit
// fails, others act on something that never happened. The consumer has the same problem: if it acknowledges before
// its commit it loses events, if it acknowledges after the commit it gets some of them twice.
//
// # The answer
//
//	            one transaction                            one transaction
//	┌─────────────────────────────────────┐    ┌─────────────────────────────────────────┐
//	│ the change            outbox row    │    │ inbox row     the step      outbox row  │
//	└──────────────────────────┬──────────┘    └─────▲──────────────────────────┬────────┘
//	                           │ relay               │ batch                    │ relay
//	                           ▼                     │                          ▼
//	                  ─────────────────────  the stream  ──────────────────────────────────
//
// Nothing is published outside of a transaction. An event becomes a row of the outbox, written in the transaction that
// makes it true ([Publish]), and a row of a small table of what is due. The relay publishes what is due, as often as
// needed, and replaces that row by a mark when the broker has acknowledged it. So every event arrives at least once.
//
// Nothing takes effect outside of the inbox. The transaction of a step begins by inserting the event's id into
// the inbox, whose primary key admits it once; a second delivery finds the row and does nothing. The message is
// acknowledged after the commit. So "at least once" becomes "exactly once" in the database.
//
// # How to use it
//
// A step is a function: a transaction and an event come in, the event that follows goes out. [Handle] makes a
// [Handler] of it. A [Codec] turns the application's events into messages and back. [New] takes these, a pool and a
// connection, and [Outbox.Run] does the rest. A request handler stores its events with [Publish] inside of
// [Outbox.Tx]. [Migrations] has the tables. The stream and the durable consumer have to exist: an administrator
// creates them, and gives them the settings that Retention and SyncInterval ask for. docs/outbox.md is a complete
// program.
//
// # How to read it
//
// In the order in which an event travels:
//
//   - outbox.go: the configuration, and the parts that run. hooks.go: metrics, failpoints, pauses.
//   - message.go: events become messages, and messages become rows of the outbox.
//   - relay.go: rows are taken, and marked when they are published. flights.go: they are published and acknowledged.
//   - ownership: which process publishes a row.
//   - recovery: what the broker loses after it has acknowledged it is republished, and old rows are deleted.
//   - consumer.go: messages arrive, from a consumer that may vanish and come back, and are nak'ed.
//   - inbox.go: a batch of messages takes effect. handler.go: its steps run.
//   - deadletter.go: messages that cannot be handled.
//   - trace.go: what a [Tracer] gets of all that.
//
// # Batches
//
// A commit costs a write to the disk, whatever is in it. The inbox takes what has arrived during the last commit, up
// to 256 events, and handles it in one transaction: one statement stores all ids, then the steps run, then one
// statement stores all answers. A step that can do its work for many events in one statement takes them all
// ([HandleBatch]).
//
// When a batch fails it is rolled back, and each of its events gets a transaction of its own, so one bad event does not
// hold up the others. Events are handled out of order then, as after every redelivery.
//
// # When something fails
//
//   - A step returns an error, or panics: the event is retried, later and later, at most every 10 s, for ever.
//   - It returns an error marked by [DeadLetter], or the message cannot be decoded: it is stored in dead_letter with
//     the reason, and its delivery ends. There is no inbox row: [Outbox.Redeliver] can handle it, or a new message.
//   - The database is away: all events are retried within a second, nothing is acknowledged.
//   - The broker is away, or its stream is full: the rows wait in the outbox. [Outbox.Backlog] counts them.
//   - The consumer or the stream was deleted: the inbox opens it when it exists anew, and the relay republishes a day's
//     rows, behind new rows and no faster than consumers handle them.
//   - The process is killed, anywhere: what was not committed has not happened, what was committed is published
//     after the restart. Every [Point] is such a place.
//
// # What it does not promise
//
// Order: two events with one key may be handled in any order, and every step has to tolerate that. Time: an event
// takes a few milliseconds, or until the database is repaired. Effects outside of the database: a step that has to
// call another system writes a row instead, commits, and has a worker call, with an idempotency key, until the
// outcome is known.
package outbox
