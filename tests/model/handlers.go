package model

// outcomes are what a step can do; most do one thing.
type outcomes = []func(*state, *one) event

func nothing(*state, *one) event { return 0 }

func only(f func(s *state, o *one) event) outcomes { return outcomes{f} }

// handlers is the table of who reacts to what.
var handlers = []handler{
	{"inventory consumes OrderCreated", orderCreated, reserve},
	{"inventory consumes PaymentFailed", paymentFailed, release},
	{"inventory consumes PaymentRefunded", paymentRefunded, release},
	{"inventory consumes PaymentVoided", paymentVoided, release},
	{"inventory consumes ShipmentCreated", shipmentCreated, sell},
	{"payment consumes InventoryReserved", inventoryReserved, intend},
	{"payment consumes ShipmentFailed", shipmentFailed, undoCharge},
	{"shipping consumes PaymentProcessed", paymentProcessed, ship},
	{"shipping consumes OrderCancelRequested", cancelRequested, fence},
	{"order consumes InventoryRejected", inventoryRejected, end(orderCancelled)},
	{"order consumes InventoryReleased", inventoryReleased, end(orderCancelled)},
	{"order consumes ShipmentCreated", shipmentCreated, end(orderConfirmed)},
	{"order consumes IncidentOpened refund_refused", refusedOpened, note(refusedOpened)},
	{"order consumes IncidentResolved refund_refused", refusedResolved, note(refusedResolved)},
	{"order consumes IncidentOpened charge_undecided", undecidedOpened, note(undecidedOpened)},
	{"order consumes IncidentResolved charge_undecided", undecidedResolved, note(undecidedResolved)},
	{"order consumes IncidentOpened late_capture", lateOpened, note(lateOpened)},
	{"order consumes IncidentResolved late_capture", lateResolved, note(lateResolved)},
	{"inventory consumes PaymentFailed again", failedAgain, releaseAgain},
	{"inventory consumes PaymentRefunded again", refundedAgain, releaseAgain},
	{"inventory consumes PaymentVoided again", voidedAgain, releaseAgain},
	{"inventory consumes ShipmentCreated again", shipmentAgain, sell},
	{"payment consumes InventoryReserved again", reservedAgain, intendAgain},
	{"payment consumes ShipmentFailed again", noShipmentAgain, undoChargeAgain},
	{"shipping consumes PaymentProcessed again", processedAgain, shipAgain},
	{"shipping consumes OrderCancelRequested again", cancelAgain, fenceAgain},
	{"order consumes InventoryRejected again", rejectedAgain, end(orderCancelled)},
	{"order consumes InventoryReleased again", releasedAgain, end(orderCancelled)},
	{"order consumes ShipmentCreated again", shipmentAgain, end(orderConfirmed)},
}

// consuming are the bits of the handlers of each event.
var consuming = func() map[event]uint32 {
	bits := map[event]uint32{}
	for i, l := range handlers {
		bits[l.consumes] |= 1 << i
	}
	return bits
}()

// publish adds an event. One that has been published before, and handled, is a new message about the same.
func (o *one) publish(e event) {
	o.published |= e
	if e >= cancelAgain {
		o.handled &^= consuming[e]
	}
}

// answers answers with an event and changes nothing.
func answers(e event) outcomes { return only(func(*state, *one) event { return e }) }

func releaseAgain(w *world, s *state, o *one) outcomes {
	switch o.hold {
	case none, holdReserved:
		return answering(releasedAgain, release(w, s, o))
	case holdReleased:
		return w.repeats(HoldRepeats, releasedAgain)
	case holdRejected:
		return w.repeats(HoldRepeats, rejectedAgain)
	}
	return only(nothing)
}

// answering gives the same outcomes with another answer: whoever asked again is answered as such.
func answering(with event, first outcomes) (all outcomes) {
	for _, outcome := range first {
		all = append(all, func(s *state, o *one) event { outcome(s, o); return with })
	}
	return all
}

func (w *world) repeats(g Guard, answer event) outcomes {
	if w.on(g) {
		return answers(answer)
	}
	return only(nothing)
}

// paid is payment's answer from its row; none while it is at work.
func (w *world) paid(o *one) outcomes {
	answers := map[uint8]event{payDeclined: failedAgain, payVoided: voidedAgain, payRefunded: refundedAgain, paySettled: refundedAgain}
	return w.repeats(PaymentRepeats, answers[o.pay])
}

func intendAgain(w *world, s *state, o *one) outcomes {
	switch o.pay {
	case none:
		return intend(w, s, o)
	case payCaptured:
		return w.repeats(PaymentRepeats, processedAgain)
	}
	return w.paid(o)
}

func undoChargeAgain(w *world, s *state, o *one) outcomes {
	switch o.pay {
	case none:
		return answering(voidedAgain, undoCharge(w, s, o))
	case payIntent, payUnknown, payCaptured:
		return undoCharge(w, s, o)
	}
	return w.paid(o)
}

// shipped is shipping's answer from its row.
func (w *world) shipped(o *one) outcomes {
	if o.ship == shipCreated {
		return w.repeats(ShippingRepeats, shipmentAgain)
	}
	return w.repeats(ShippingRepeats, noShipmentAgain)
}

func shipAgain(w *world, _ *state, o *one) outcomes {
	if o.ship != none {
		return w.shipped(o)
	}
	return outcomes{
		func(_ *state, o *one) event { o.ship = shipCreated; return shipmentAgain },
		func(_ *state, o *one) event { o.ship = shipFailed; return noShipmentAgain },
	}
}

func fenceAgain(w *world, s *state, o *one) outcomes {
	if o.ship != none {
		return w.shipped(o)
	}
	return answering(noShipmentAgain, fence(w, s, o))
}

// reserve expects no row. With neither inbox nor state guard a second delivery reserves again.
func reserve(w *world, s *state, o *one) outcomes {
	unguarded := w.off(Inbox|StateGuard) && o.hold == holdReserved
	if o.hold != none && !unguarded {
		return only(nothing)
	}
	if s.stock == 0 {
		return only(func(_ *state, o *one) event { o.hold = holdRejected; return inventoryRejected })
	}
	return only(func(s *state, o *one) event {
		s.stock--
		o.held++
		o.hold = holdReserved
		return inventoryReserved
	})
}

func release(w *world, _ *state, o *one) outcomes {
	switch o.hold {
	case none:
		return only(func(_ *state, o *one) event {
			if w.on(HoldTombstone) {
				o.hold = holdReleased
			}
			return inventoryReleased
		})
	case holdReserved:
		return only(func(s *state, o *one) event {
			s.stock++
			o.held--
			o.hold = holdReleased
			return inventoryReleased
		})
	}
	return only(nothing)
}

func sell(_ *world, _ *state, o *one) outcomes {
	if o.hold != holdReserved {
		return only(nothing)
	}
	return only(func(_ *state, o *one) event {
		o.held--
		o.sold++
		o.hold = holdSold
		return 0
	})
}

func intend(_ *world, _ *state, o *one) outcomes {
	if o.pay != none {
		return only(nothing)
	}
	return only(func(_ *state, o *one) event { o.pay = payIntent; return 0 })
}

func undoCharge(w *world, _ *state, o *one) outcomes {
	switch o.pay {
	case none:
		return only(func(_ *state, o *one) event {
			if w.on(ChargeTombstone) {
				o.pay = payVoided
			}
			return paymentVoided
		})
	case payIntent, payUnknown:
		return only(func(_ *state, o *one) event {
			if w.on(CancelWanted) {
				o.cancelWanted = true
				return 0
			}
			o.pay = payVoided
			return paymentVoided
		})
	case payCaptured:
		return only(func(_ *state, o *one) event { o.pay, o.refundNumber = payRefunding, 1; return 0 })
	}
	return only(nothing)
}

func ship(_ *world, _ *state, o *one) outcomes {
	if o.ship != none {
		return only(nothing)
	}
	return outcomes{
		func(_ *state, o *one) event { o.ship = shipCreated; return shipmentCreated },
		func(_ *state, o *one) event { o.ship = shipFailed; return shipmentFailed },
	}
}

func fence(w *world, _ *state, o *one) outcomes {
	if o.ship != none {
		return only(nothing)
	}
	return only(func(_ *state, o *one) event {
		if w.on(Fence) {
			o.ship = shipFenced
		}
		return shipmentFailed
	})
}

// end brings the order to a terminal state, from which nothing moves it.
func end(to uint8) func(*world, *state, *one) outcomes {
	return func(w *world, _ *state, o *one) outcomes {
		if o.terminal() && (w.on(OrderTerminal) || o.order == to) {
			return only(nothing)
		}
		return only(func(_ *state, o *one) event {
			o.changedAfterTheEnd = o.changedAfterTheEnd || o.terminal()
			o.order = to
			return 0
		})
	}
}

// note keeps what the order service shows of an incident.
func note(what event) func(*world, *state, *one) outcomes {
	return func(*world, *state, *one) outcomes {
		return only(func(_ *state, o *one) event { o.incidents |= what; return 0 })
	}
}
