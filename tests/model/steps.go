package model

import "slices"

// next is a state that can follow, and how.
type next struct {
	label    string
	state    state
	progress bool
}

// world is one search: its guards and limits, and the successors being gathered.
type world struct {
	guards Guard
	limits Limits
	now    state
	which  int
	out    []next
}

func (w *world) on(g Guard) bool { return w.guards&g == g }

// off reports whether all of these guards have been taken away.
func (w *world) off(g Guard) bool { return w.guards&g == 0 }

// step adds a successor: apply changes a copy of the present state.
func (w *world) step(progress bool, label string, apply func(s *state, o *one)) {
	s := w.now
	apply(&s, &s.orders[w.which])
	w.out = append(w.out, next{label, s, progress})
}

// successors are all states that can follow s.
func (w *world) successors(s state) []next {
	w.now, w.out = s, w.out[:0]
	for w.which = range w.limits.Orders {
		before := len(w.out)
		w.deliveries()
		w.customer()
		w.charging()
		w.refunding()
		w.gatewayActs()
		w.reconciles()
		w.operates()
		if w.limits.Forgets > 0 {
			w.asks(!slices.ContainsFunc(w.out[before:], func(n next) bool { return n.progress }))
		}
	}
	return w.out
}

// asks: time passes, and whoever waits asks again; an order that is pending is to be cancelled. That may happen at any
// time, and happens in the end when there is nothing else to happen and no person to look.
func (w *world) asks(quiet bool) {
	if !quiet && !w.limits.Eager {
		return
	}
	o := &w.now.orders[w.which]
	quiet = quiet && !o.openIncident()
	switch {
	case o.order == orderPending && quiet:
		w.step(true, "the deadline passes", func(_ *state, o *one) {
			o.order = orderCancelling
			o.publish(cancelRequested)
		})
	case o.order == orderCancelling && w.on(OrderAsks):
		w.step(quiet, "order asks again", func(_ *state, o *one) { o.publish(cancelAgain) })
	}
	if o.hold == holdReserved && w.on(HoldAsks) {
		w.step(quiet, "inventory asks again", func(_ *state, o *one) { o.publish(reservedAgain) })
	}
}

// handler is a service that consumes an event, and the step that it answers with.
type handler struct {
	name     string
	consumes event
	react    func(w *world, s *state, o *one) []func(*state, *one) event
}

// deliveries lets every published event reach every handler, now or later, in any order, and again.
func (w *world) deliveries() {
	o := &w.now.orders[w.which]
	for i, l := range handlers {
		if o.published&l.consumes == 0 {
			continue
		}
		bit := uint32(1) << i
		switch again := o.handled&bit != 0; {
		case !again:
			w.handle(l, bit, true)
			if w.now.forgotten < w.limits.Forgets && l.consumes&aboutIncidents == 0 {
				w.step(false, "the stream forgets what "+l.name, func(s *state, o *one) {
					s.forgotten++
					o.handled |= bit
				})
			}
		case w.now.replays < w.limits.Replays:
			// Handled before: only an inbox that has forgotten, or none at all, lets it through. Both are
			// the environment's doing and are counted.
			w.handle(l, bit, false)
		}
	}
}

// handle runs the step of a handler in one transaction: its state, its inbox row and its answer.
func (w *world) handle(l handler, bit uint32, first bool) {
	for _, outcome := range l.react(w, &w.now, &w.now.orders[w.which]) {
		w.step(first, l.name, func(s *state, o *one) {
			if !first {
				s.replays++
			}
			answer := outcome(s, o)
			o.publish(answer)
			o.handled |= bit
		})
		if !w.on(Outbox) {
			w.step(true, l.name+", crash before publishing", func(s *state, o *one) {
				outcome(s, o)
				o.handled |= bit
			})
		}
	}
}

// customer cancels, or the deadline passes, at any time before the end.
func (w *world) customer() {
	if w.now.orders[w.which].order == orderPending {
		w.step(false, "cancel", func(_ *state, o *one) {
			o.order = orderCancelling
			o.published |= cancelRequested
		})
	}
}

// charging is the payment's worker: it calls under its lease, and finishes with the answer.
func (w *world) charging() {
	o := &w.now.orders[w.which]
	if o.pay != payIntent && o.pay != payUnknown {
		return
	}
	w.send(0)
	w.leaseExpires(func(o *one) {
		if w.on(UnknownOutcome) {
			o.pay = payUnknown
			return
		}
		chargeDeclined(o)
	})
	if o.pay == payUnknown {
		w.lookUpCharge(o)
		w.budgetPasses(o)
	}
}

// budgetPasses: an outcome that stays unknown for too long is shown to people, and asked for further.
func (w *world) budgetPasses(o *one) {
	if o.published&undecidedOpened == 0 {
		w.step(false, "the charge's budget passes", func(_ *state, o *one) { o.published |= undecidedOpened })
	}
}

func (w *world) lookUpCharge(o *one) {
	settling := false
	for _, c := range o.calls {
		settling = settling || c.phase == callSettling && c.round == 0
	}
	switch {
	case o.charged > 0:
		w.step(true, "look-up finds the charge", func(_ *state, o *one) { w.chargeCaptured(o) })
	case !settling || !w.on(Horizon):
		w.step(true, "look-up finds nothing", func(_ *state, o *one) { chargeDeclined(o) })
	}
}

func (w *world) chargeCaptured(o *one) {
	o.resolve(undecidedOpened, undecidedResolved)
	if o.cancelWanted {
		o.pay, o.refundNumber = payRefunding, 1
		return
	}
	o.pay = payCaptured
	o.published |= paymentProcessed
}

func chargeDeclined(o *one) {
	o.resolve(undecidedOpened, undecidedResolved)
	o.pay = payDeclined
	o.published |= paymentFailed
}

// refunding is the worker again: the same machine with the refund's key.
func (w *world) refunding() {
	o := &w.now.orders[w.which]
	if o.pay != payRefunding {
		return
	}
	w.send(o.refundNumber)
	w.leaseExpires(func(*one) {})
}

// send makes a call where the present lease has none under way.
func (w *world) send(round uint8) {
	o := &w.now.orders[w.which]
	free := -1
	for i, c := range o.calls {
		switch {
		case c.phase == callIdle:
			free = i
		case c.lease == o.lease && c.round == round:
			return
		}
	}
	if free >= 0 {
		w.step(true, "call the gateway", func(_ *state, o *one) { o.calls[free] = call{callSent, o.lease, round} })
	}
}

// leaseExpires lets another worker go on while the first one's call is still out.
func (w *world) leaseExpires(then func(*one)) {
	if w.now.orders[w.which].lease < w.limits.Leases {
		w.step(false, "time-out, the lease expires", func(_ *state, o *one) {
			o.lease++
			then(o)
		})
	}
}

// gatewayActs receives, settles and answers what is under way; answers may get lost.
func (w *world) gatewayActs() {
	for i, c := range w.now.orders[w.which].calls {
		switch c.phase {
		case callSent:
			w.gatewayReceives(i, c)
		case callSettling:
			w.step(true, "the charge settles late", func(_ *state, o *one) {
				o.charged++
				o.calls[i].phase = callYes
			})
		case callYes, callNo:
			w.step(true, "the answer arrives", func(_ *state, o *one) { w.answered(o, i) })
			if w.limits.Gateway {
				w.step(false, "the answer is lost", func(_ *state, o *one) { w.lost(o, i) })
			}
		}
	}
}

func (w *world) gatewayReceives(i int, c call) {
	if c.round > 0 {
		w.gatewayRefunds(i, c)
		return
	}
	o := &w.now.orders[w.which]
	known := w.on(ChargeKey)
	switch {
	case known && w.settling(c):
		w.step(true, "the gateway answers 409", func(_ *state, o *one) { w.lost(o, i) })
	case known && o.charged > 0:
		w.step(true, "the gateway repeats its yes", func(_ *state, o *one) { o.calls[i].phase = callYes })
	case known && o.declined:
		w.step(true, "the gateway repeats its no", func(_ *state, o *one) { o.calls[i].phase = callNo })
	default:
		w.step(true, "the gateway charges", func(_ *state, o *one) { o.charged++; o.calls[i].phase = callYes })
		w.step(true, "the gateway declines", func(_ *state, o *one) { o.declined = true; o.calls[i].phase = callNo })
		if w.limits.Gateway {
			w.step(true, "the gateway will settle", func(_ *state, o *one) { o.calls[i].phase = callSettling })
		}
	}
}

// settling reports whether a charge of the order has been received and not settled yet.
func (w *world) settling(c call) bool {
	for _, other := range w.now.orders[w.which].calls {
		if other.phase == callSettling && other.round == c.round {
			return true
		}
	}
	return false
}

func (w *world) gatewayRefunds(i int, c call) {
	stored := w.now.orders[w.which].refundAnswers[c.round]
	if stored != callIdle && w.on(RefundKey) {
		w.step(true, "the gateway repeats its answer", func(_ *state, o *one) { o.calls[i].phase = stored })
		return
	}
	w.step(true, "the gateway refunds", func(_ *state, o *one) {
		o.refunded++
		o.refundAnswers[c.round], o.calls[i].phase = callYes, callYes
	})
	if w.limits.Gateway {
		w.step(true, "the gateway refuses the refund", func(_ *state, o *one) {
			o.refundAnswers[c.round], o.calls[i].phase = callNo, callNo
		})
	}
}

// lost is an answer that never comes: the worker knows nothing.
func (w *world) lost(o *one, i int) {
	c := o.calls[i]
	o.calls[i] = call{}
	if c.round == 0 && c.lease == o.lease && o.pay == payIntent {
		if w.on(UnknownOutcome) {
			o.pay = payUnknown
			return
		}
		chargeDeclined(o)
	}
}

// answered is the finishing transaction: it names the state, the lease and the refund's number.
func (w *world) answered(o *one, i int) {
	c := o.calls[i]
	o.calls[i] = call{}
	if w.on(LeaseToken) && c.lease != o.lease {
		return
	}
	open := o.pay == payIntent || o.pay == payUnknown
	counts := open || w.off(LeaseToken|StateGuard)
	switch {
	case c.round == 0 && counts && c.phase == callYes:
		w.chargeCaptured(o)
	case c.round == 0 && counts:
		chargeDeclined(o)
	case c.round > 0 && o.pay == payRefunding && c.round == o.refundNumber:
		w.refundAnswered(o, c.phase)
	}
}

func (w *world) refundAnswered(o *one, answer uint8) {
	if answer == callYes {
		refundDone(o, payRefunded)
		return
	}
	o.pay = payRefused
	o.published |= refusedOpened
}

// refundDone leaves the states that incidents report, and so closes them.
func refundDone(o *one, to uint8) {
	o.pay = to
	o.published |= paymentRefunded
	o.resolve(refusedOpened, refusedResolved)
	o.resolve(lateOpened, lateResolved)
}

// resolve closes an incident that is open.
func (o *one) resolve(opened, resolved event) {
	if o.published&opened != 0 {
		o.published |= resolved
	}
}

// reconciles finds money at the gateway for an order that payment has given up.
func (w *world) reconciles() {
	o := &w.now.orders[w.which]
	if w.on(Reconciliation) && o.charged > o.refunded && (o.pay == payDeclined || o.pay == payVoided) {
		w.step(true, "reconciliation finds a late capture", func(_ *state, o *one) {
			o.pay, o.refundNumber = payRefunding, 1
			o.published |= lateOpened
		})
	}
}

// operates is a person at a refused refund: look first, then try again under the next key, or settle
// outside the gateway.
func (w *world) operates() {
	o := &w.now.orders[w.which]
	if o.pay != payRefused {
		return
	}
	if o.refunded == 0 {
		w.step(false, "the gateway's own people refund", func(_ *state, o *one) { o.refunded++ })
	}
	if o.refunded > 0 && w.on(LookBeforeRetry) {
		w.step(false, "operator finds the refund", func(_ *state, o *one) { refundDone(o, payRefunded) })
		return
	}
	if o.refundNumber < 2 {
		w.step(false, "operator tries again", func(_ *state, o *one) {
			o.pay = payRefunding
			o.refundNumber++
		})
	}
	w.step(false, "operator settles", func(_ *state, o *one) {
		o.settled = true
		refundDone(o, paySettled)
	})
}
