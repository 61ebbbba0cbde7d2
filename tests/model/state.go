package model

// Guard is a mechanism of the protocol that can be taken away.
type Guard uint32

// The guards, named for what they do.
const (
	Inbox           Guard = 1 << iota // an event that was handled is not handled again
	StateGuard                        // a step changes only the state that it expects
	OrderTerminal                     // a terminal order absorbs every event
	HoldTombstone                     // an undo that reaches inventory first leaves a tombstone
	ChargeTombstone                   // an undo that reaches payment first leaves a tombstone
	Fence                             // a cancel that reaches shipping first leaves a fence
	ChargeKey                         // every attempt to charge carries the same key
	RefundKey                         // every attempt to refund carries the same key
	LeaseToken                        // an answer counts only for the worker that holds the lease
	UnknownOutcome                    // an answer that is missing is unknown, not a decline
	Horizon                           // "not found" is definite only after the in-flight horizon
	CancelWanted                      // an open charge is never voided, a cancel waits for its outcome
	Reconciliation                    // money at the gateway that should not be there is found
	Outbox                            // a state and the event that follows are stored together
	LookBeforeRetry                   // an operator looks for a refund before trying again or settling
	OrderAsks                         // an order whose cancel is not answered asks shipping again
	HoldAsks                          // so does inventory ask payment about what it holds
	ShippingRepeats                   // shipping answers who asks again
	PaymentRepeats                    // so does payment
	HoldRepeats                       // and inventory
)

// Limits bounds what the environment may do, and so the size of the search.
type Limits struct {
	Orders  int   // 1 or 2
	Stock   uint8 // units of the one SKU that every order wants one of
	Replays uint8 // how often an inbox row may be forgotten, or a message handled again
	Leases  uint8 // how often a lease may expire under its worker
	Gateway bool  // whether answers get lost, charges settle late, refunds are refused, operators act
	Forgets uint8 // how often the stream forgets a message before its consumer has handled it
	Eager   bool  // whether who waits may ask again at any time, or only when nothing else can happen
}

// The order's saga state.
const (
	orderPending uint8 = iota
	orderCancelling
	orderConfirmed
	orderCancelled
)

// none is the state of a participant that has no row for the order.
const none uint8 = 0

// The reservation's states.
const (
	holdReserved uint8 = iota + 1
	holdSold
	holdReleased
	holdRejected
)

// The payment's states.
const (
	payIntent uint8 = iota + 1
	payUnknown
	payCaptured
	payDeclined
	payVoided
	payRefunding
	payRefunded
	payRefused
	paySettled
)

// The shipment's states.
const (
	shipCreated uint8 = iota + 1
	shipFailed
	shipFenced
)

// event is a bit in the set of what has been published about an order.
type event uint32

const (
	orderCreated event = 1 << iota
	inventoryReserved
	inventoryRejected
	paymentProcessed
	paymentFailed
	shipmentCreated
	shipmentFailed
	paymentRefunded
	paymentVoided
	inventoryReleased
	cancelRequested
	refusedOpened
	refusedResolved
	undecidedOpened
	undecidedResolved
	lateOpened
	lateResolved
	// What is asked again, and the answers to that: each may be published any number of times.
	cancelAgain
	reservedAgain
	processedAgain
	failedAgain
	refundedAgain
	voidedAgain
	shipmentAgain
	noShipmentAgain
	releasedAgain
	rejectedAgain
)

// aboutIncidents are the events that only tell people something; none of them moves the saga.
const aboutIncidents = refusedOpened | refusedResolved | undecidedOpened | undecidedResolved | lateOpened | lateResolved

// What a call to the gateway can be in.
const (
	callIdle     uint8 = iota
	callSent           // on its way, perhaps stalled for long
	callSettling       // received; the money moves within the horizon
	callYes            // the gateway's yes is on its way back
	callNo             // the gateway's no is on its way back
)

// call is one request to the gateway, made under a lease; round tells charge calls (0) from the
// refund's key numbers (1, 2).
type call struct{ phase, lease, round uint8 }

// one is everything about one order: the four services, what was published, what was handled, and what
// the gateway knows.
type one struct {
	order, hold, pay, ship uint8
	cancelWanted, settled  bool
	refundNumber, lease    uint8
	calls                  [2]call
	published              event
	handled                uint32 // a bit per handler and event; see handlers
	incidents              event  // what the order service knows: opened and resolved bits
	charged, refunded      uint8  // at the gateway
	declined               bool   // stored under the charge key
	refundAnswers          [3]uint8
	held, sold             uint8
	changedAfterTheEnd     bool
}

// state is the whole system.
type state struct {
	orders                    [2]one
	stock, replays, forgotten uint8
}

func (o *one) terminal() bool { return o.order == orderConfirmed || o.order == orderCancelled }

// openIncident reports whether the order service shows one.
func (o *one) openIncident() bool {
	return o.shows(refusedOpened, refusedResolved) || o.shows(undecidedOpened, undecidedResolved) ||
		o.shows(lateOpened, lateResolved)
}

// shows reports whether the order service knows an incident as open: a resolution that came first counts.
func (o *one) shows(opened, resolved event) bool {
	return o.incidents&opened != 0 && o.incidents&resolved == 0
}

// net is what the gateway kept of the customer's money, in charges.
func (o *one) net() int8 {
	net := int8(o.charged) - int8(o.refunded)
	if o.settled {
		net--
	}
	return net
}
