package verify

// Invariants are the promises, in the order in which they are reported.
func Invariants() []Invariant {
	return []Invariant{
		{ID: "I1", Sentence: "no order was charged more than once at the gateway", each: stated(chargedOnce)},
		{ID: "I2", Sentence: "the refunds of no charge sum to more than was captured", each: refundedWithin},
		{ID: "I3", Sentence: "stock is what the adjustments and reservations add up to, and never below zero", OneLook: true,
			Whole: true, check: stockAddsUp},
		{ID: "I4", Sentence: "no order has more than one reservation, payment or shipment", OneLook: true, Whole: true,
			check: oneOfEach},
		{ID: "I5", Sentence: "no order changed after it was confirmed or cancelled", OneLook: true, check: terminalStays},
		{ID: "I6", Sentence: "every confirmed order is shipped, its stock sold or held, and paid in full" +
			" but for refunds that an operator has accepted", each: ofOrders(confirmedIsDone)},
		{ID: "I7", Sentence: "no cancelled order was shipped", each: ofOrders(cancelledIsNotShipped)},
		{ID: "I8", Sentence: "nothing was held, charged or shipped without the event that asks for it",
			check: effectsHaveCauses, each: stated(unknownCharges)},
		{ID: "I9", Sentence: "the payment ledger only grows, sums to zero, and has what payments count as returned",
			OneLook: true, Whole: true, check: ledgerBalances},
		{ID: "I10", Sentence: "no two idempotency keys share an order, and a stored answer is the one that was given",
			OneLook: true, check: keysAreKept},
		{ID: "I11", Sentence: "what was charged is the order's total as the order service computed it",
			each: ofOrders(chargedTheTotal)},
		{ID: "I12", Sentence: "every order is confirmed or cancelled, or has an open incident", AtRest: true,
			each: ofOrders(everyOrderEnded)},
		{ID: "I13", Sentence: "no cancelled order keeps money or stock", AtRest: true, each: ofOrders(cancelledIsUndone)},
		{ID: "I14", Sentence: "every event was published, and is in the stream now", AtRest: true,
			check: everythingPublished},
		{ID: "I15", Sentence: "no payment is undecided without an incident, and its ledger is the gateway's", AtRest: true,
			each: paymentsSettled},
		{ID: "I16", Sentence: "no service has messages that it has not handled", AtRest: true, check: nothingPending},
		{ID: "I17", Sentence: "every order that was acknowledged to a client exists", OneLook: true, AtRest: true,
			check: acknowledgedExists},
		{ID: "I18", Sentence: "no card number, password or token stands in a log or an event", AtRest: true,
			check: nothingSecret},
		{ID: "I19",
			Sentence: "every mail has left, and a customer who got a mail about a cancelled order got one about the cancel, too",
			AtRest:   true, check: mailsHaveLeft, each: ofOrders(customersAreMailed)},
		{ID: "I20", Sentence: "every order goes on by itself until it has ended, or has an open incident with an action",
			check: mailsAreDue, each: somebodyMoves},
		{ID: "I21", Sentence: "no event has waited for a third of the time that the stream keeps it", OneLook: true,
			check: eventsAreYoung},
		{ID: "I22", Sentence: "every event in the stream is in the outbox of the service that published it", AtRest: true,
			check: everythingKnown},
		{ID: "I23", Sentence: "whatever was held, charged or shipped for an order, the order service knows the order",
			each: stated(orderIsKnown)},
		{ID: "I24", Sentence: "no order was shipped under two shipment ids", AtRest: true, check: shippedOnce},
	}
}

const (
	pending   = "PENDING"
	confirmed = "CONFIRMED"
	cancelled = "CANCELLED"
)
