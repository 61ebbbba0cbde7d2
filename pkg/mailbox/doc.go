// Package mailbox is how the services of the saga tell each other what has happened, so that whatever
// crashes whenever, every event takes effect exactly once. It is an outbox, a relay and an inbox, and all of
// it lives in the service's own database, beside the service's own tables.
//
// # The problem
//
// A step of the saga changes a database and tells others about it. These are two systems, and no order of
// the two calls is safe: whoever commits first and then publishes may die between the two, and the saga
// stands still for ever; whoever publishes first may see the commit fail, and others act on what never
// happened. The same gap is on the other side: whoever acknowledges before the commit loses events, whoever
// acknowledges after it gets some of them twice.
//
// # The answer
//
//	            one transaction                            one transaction
//	┌─────────────────────────────────────┐    ┌─────────────────────────────────────────┐
//	│ the change            outbox row    │    │ inbox row     the step      outbox row  │
//	└──────────────────────────┬──────────┘    └─────▲──────────────────────────┬────────┘
//	                           │ relay               │ batch                    │ relay
//	                           ▼                     │                          ▼
//	                  ───────────────  the stream SAGA  ───────────────────────────────────
//
// Nothing is published beside a transaction. What a service has to say is a row in its outbox, written in
// the transaction that makes it true ([Put]). The relay publishes rows, later, as often as it takes, and marks
// a row only when the broker has acknowledged it. So every event arrives at least once, and now and then
// twice.
//
// Nothing takes effect beside the inbox. The transaction of a step begins by inserting the event's id into
// the inbox, whose primary key lets it in once; a second delivery finds the row and does nothing. The
// message is acknowledged after the commit. So at least once becomes exactly once, where it counts: in
// the database. The broker's own duplicate window and its acknowledgements save work, nothing depends on them.
//
// # Reading it
//
// In the order in which an event travels:
//
//   - handler.go: a step is a function, and its parameter says what it hears; older versions are upcast to it.
//   - outbox.go: events become rows.
//   - relay.go, publish.go, flights.go: rows become messages, and are marked.
//   - broker.go, replay.go: what happens when the broker forgets what it has acknowledged.
//   - again.go: what is published again gives way to what is new.
//   - consume.go, pause.go: messages arrive, from a consumer that may vanish and come back, or that a person has paused.
//   - inbox.go, remember.go, steps.go: a batch of them takes effect.
//   - delivery.go, struggling.go, deadletter.go: what is put off, and what is parked.
//   - redrive.go: what was parked is handled again, when a person says so.
//   - sweeper.go: what is old is deleted. incident.go: what a person has to decide.
//   - provision.go, bucket.go, server.go: what the broker is told, and who may do what there.
//   - pause.go: how a consumer is made to wait.
//   - group.go is the same idea as a batch, for requests; mailbox.go holds it all together.
//
// # Batches
//
// A commit costs a write to the disk, whatever is in it. The inbox takes what has arrived while it was
// committing, up to 256 events, and handles it in one transaction: one statement remembers all ids, then
// the steps run one after the other, then one statement stores all answers. While there
// is much to do a batch waits two milliseconds for its company, and nobody waits longer for it to fill.
// When there is little to do an event is handled alone and at once; the more there is, the cheaper each
// becomes. A step does not know of it.
//
// When a batch fails it is rolled back, and each of its events gets a transaction of its own, so one bad
// event takes no others along. Events are handled out of order then, as after every redelivery: the steps of
// this saga are made for that.
//
// # When something fails
//
//   - A step returns an error, or panics: the event comes back, later and later, at most every 10 s, for ever.
//   - It returns an error marked by [Poison], or the message cannot be understood or is not what its schema
//     allows (package valid): it is parked in dead_letter with the reason, and then given up, and its order has an
//     incident. There is no inbox row for it, so it may be given out again, or be handled out of its row ([Mailbox.Redrive]).
//   - The database is away: all events are put off, a second at most, nothing is acknowledged.
//   - The broker is away, or its stream is full: the rows wait in the outbox. [Mailbox.Unpublished] says how many.
//   - The consumer or the stream was deleted: the provisioner makes it again, the inbox opens it again, the
//     relay sees that it is new and publishes a day's events again, behind what is new and no faster than they are
//     heard. The inboxes absorb what they had heard.
//   - The process is killed, anywhere: what was not committed has not happened, what was committed is published
//     after the restart. Package fault has a name for every such place, and there is a test for each.
//
// # What it does not promise
//
// Order: two events about one order may be handled in any order, and every step has to tolerate that.
// Soonness: an event is on its way for a few milliseconds, or until somebody repairs the database. And an
// effect outside of the database is not guarded by the inbox: a step that has to call somebody writes down that
// it wants to, commits, and has a worker call, with an idempotency key, until it knows the outcome. That is
// what the payment service does.
package mailbox
