// Package model is the saga's protocol (docs/saga.md) as a state machine small enough to be searched
// exhaustively: every interleaving of one order's events with duplicates, delays, reordering and
// replays after the inbox has forgotten, a crash between any two side effects, two workers on one
// lease, answers of the gateway that are lost or come too late, declined charges, refused refunds, and
// a cancel, a deadline or an operator at any time. Then two orders that want the same last unit. Then a stream that
// forgets messages before their consumer has got them, and those who wait asking again.
//
// A run with all guards on must find no violation of an invariant (the ids are those of `sagactl
// verify`) and no state from which the saga cannot come to rest. A run with a guard taken away must
// find what the guard is there for; the tests name it. Some guards hide each other's absence, and are
// taken away together.
//
// Steps are of two kinds. Progress is what the system does by itself in the end: delivering, calling,
// answering, reconciling, and, when nothing else is left to happen, asking again. The environment may act or not: it
// cancels, loses answers, expires leases, forgets inbox rows and messages, operates. A state without progress is at rest.
package model
