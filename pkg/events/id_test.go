package events_test

import (
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

const anotherCause = "019ab0f2-7c3f-8d10-9a55-0c2f6a1b7e42"

// What is published must not change its id from one release to the next: a step may be done again by the next one.
func TestID_IsTheSameForEver(t *testing.T) {
	t.Parallel()
	about := events.Subject{OrderID: anOrder}
	for want, got := range map[string]string{
		"01936f2e-7c00-887a-8cfc-68c82885cc35": events.ID(events.Cause{}, events.OrderCreated{Snapshot: events.Snapshot{OrderID: anOrder}}),
		"019ab0f2-7c3f-8000-a4a5-f4b9bddc27b3": events.ID(events.Cause{EventID: anotherCause}, events.PaymentVoided{Subject: about}),
		"01936f2e-7c00-8f59-bc8f-5ec39c45dfa2": events.DerivedID(anOrder, "shipment", anOrder),
	} {
		if got != want {
			t.Errorf("the id is %s, was %s", got, want)
		}
	}
}

func TestID_IsAnotherForEveryOtherFact(t *testing.T) {
	t.Parallel()
	about, other := events.Subject{OrderID: anOrder}, events.Subject{OrderID: strings.Replace(anOrder, "000001", "000002", 1)}
	cause := events.Cause{EventID: anotherCause}
	type fact struct {
		cause events.Cause
		event events.Event
	}
	seen := map[string]fact{}
	for _, f := range []fact{
		{cause, events.PaymentVoided{Subject: about}},
		{events.Cause{}, events.PaymentVoided{Subject: about}},
		{events.Cause{EventID: anOrder}, events.PaymentVoided{Subject: about}},
		{cause, events.PaymentVoided{Subject: other}},
		{cause, events.InventoryReleased{Subject: about}},
		{cause, events.PaymentVoided{Subject: about, Repeat: events.Repeat{Attempt: 2}}},
		{cause, events.PaymentVoided{Subject: about, Repeat: events.Repeat{Attempt: 3}}},
		{cause, events.OrderCreated{Snapshot: events.Snapshot{OrderID: anOrder}}},
		{cause, events.OrderCreatedV2{OrderID: anOrder}},
		{cause, events.IncidentOpened{Subject: about, Service: "payment", IncidentID: "1"}},
		{cause, events.IncidentOpened{Subject: about, Service: "payment", IncidentID: "2"}},
		{cause, events.IncidentOpened{Subject: about, Service: "order", IncidentID: "1"}},
		{cause, events.IncidentResolved{Subject: about, Service: "payment", IncidentID: "1"}},
		{cause, events.IncidentResolved{Subject: about, Service: "payment", IncidentID: "2"}},
	} {
		id := events.ID(f.cause, f.event)
		if before, twice := seen[id]; twice {
			t.Errorf("%+v and %+v have the id %s", before, f, id)
		}
		seen[id] = f
		if id != events.ID(f.cause, f.event) {
			t.Errorf("%+v has two ids", f)
		}
	}
	// What the words are cut into counts, and not only the words.
	if events.DerivedID(anOrder, "ab", "c") == events.DerivedID(anOrder, "a", "bc") {
		t.Error("two lists of parts have one id")
	}
}

func TestID_BeginsWithTheTimeOfWhatItFollowsFrom(t *testing.T) {
	t.Parallel()
	event := events.OrderCancelled{Subject: events.Subject{OrderID: anOrder}}
	for _, c := range []struct{ cause, time string }{
		{"", "01936f2e-7c00-8"}, // the order's
		{anotherCause, "019ab0f2-7c3f-8"},
		{"7e4f3d52-7c3e-4d10-9a55-0c2f6a1b7e42", "01936f2e-7c00-8"}, // version 4 has none
	} {
		if id := events.ID(events.Cause{EventID: c.cause}, event); !strings.HasPrefix(id, c.time) {
			t.Errorf("what follows from %q is %s", c.cause, id)
		}
	}
}
