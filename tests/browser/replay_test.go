//go:build browser

package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	customers "example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// trace is what was really published about an order, and what the services had stored in the end.
type trace struct {
	Events []json.RawMessage `json:"events"`
	Rows   map[string]string `json:"rows"`
	State  string            `json:"state"`
}

// verdict is what the model makes of a trace.
type verdict struct {
	Stuck string // the event that the model could not explain; empty: none
	Rests bool   // whether the model can end where the services did
	State string // what the page would show
	// Payloads are the events whose reason in the model is not the real one.
	Payloads []string
}

// judge follows a trace with every saga that the model allows, and with the one that the live mode shows.
const judge = `(async (trace) => {
	const [{ follow, silently }, { explainAll }, { stateOf }] = await Promise.all(['follow', 'live', 'model'].map((m) => import('/assets/simulator/' + m + '.js')));
	const flow = await (await fetch('/api/flow')).json();
	const { sagas, stuck } = follow(flow, trace.events);
	const shown = explainAll(flow, trace.events);
	const rests = [...sagas, ...silently(flow, sagas)].some((s) => s.messages.every((m) => m.real !== null && m.open.length === 0) && Object.entries(trace.rows).every(([service, row]) => s.rows[service] === row));
	const payloads = shown.saga.messages.filter((m) => m.real && m.reason && !['IncidentOpened', 'OrderNeedsAttention'].includes(m.event) && m.real.data.reason.split(':')[0] !== m.reason) // after the colon: which goods, which country
		.map((m) => m.event + ' ' + m.reason + ', not ' + m.real.data.reason);
	return { Payloads: payloads, Stuck: (stuck ?? shown.stuck)?.type ?? '', Rests: rests, State: stateOf(shown.saga) };
})(%s)`

func modelAgrees(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1000, 700)
	for name, place := range map[string]func(*customers.NewOrder){
		"success":         func(*customers.NewOrder) {},
		"declined":        func(w *customers.NewOrder) { w.Token = "tok_declined" },
		"out of stock":    func(w *customers.NewOrder) { w.Items[0].Sku = "unobtainium" },
		"unshippable":     func(w *customers.NewOrder) { w.Country = "AQ" },
		"lost answer":     func(w *customers.NewOrder) { w.Token = "tok_lost_response" },
		"slow, cancelled": func(w *customers.NewOrder) { w.Token = "tok_slow" },
		"cancelled":       func(*customers.NewOrder) {},
		"refund refused":  func(w *customers.NewOrder) { w.Country, w.Token = "AQ", "tok_refund_refused" },
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				one := customers.One("gadget", 1)
				place(&one)
				id := s.Place(t, one)
				if name == "cancelled" || name == "slow, cancelled" {
					if _, err := s.Shop.Cancel(t.Context(), id); err != nil && kit.Status(err) != 409 {
						t.Fatal(err)
					}
				}
				seen := s.rested(t, id)
				got := p.judges(seen)
				if got.Stuck != "" || !got.Rests || got.State != seen.State || len(got.Payloads) > 0 {
					t.Errorf("the model has %+v; the services %v, %s after %d events", got, seen.Rows, seen.State, len(seen.Events))
				}
				seen.Events = append(seen.Events[:1:1], seen.Events[2:]...) // a trace that cannot have been
				if got := p.judges(seen); got.Stuck == "" && got.Rests {
					t.Error("the model explains a trace of which an event is missing")
				}
			}
		})
	}
}

func (p *page) judges(seen trace) verdict {
	p.t.Helper()
	text, err := json.Marshal(seen)
	kit.Must(p.t, err)
	return value[verdict](p, fmt.Sprintf(judge, text))
}

// rested waits until nothing about an order moves any more, and returns its trace.
func (s *shop) rested(t *testing.T, id string) (seen trace) {
	t.Helper()
	stream, err := eventlog.Open(s.At.NATS)
	kit.Must(t, err)
	defer stream.Close()
	got, err := s.Shop.Await(t.Context(), id)
	kit.Must(t, err)
	kit.Eventually(t, "order "+id+" to come to rest", func() error {
		seen = trace{Rows: map[string]string{
			"order": s.orderRow(t, id), "inventory": s.State(t, "inventory", "reservation", id),
			"payment": s.State(t, "payment", "payment", id), "shipping": s.State(t, "shipping", "shipment", id),
		}}
		saga := sagaview.NewSaga()
		err := stream.History(t.Context(), id, func(e eventlog.Seen) error {
			seen.Events = append(seen.Events, e.Raw)
			saga.Apply(e.Event)
			return e.Problem
		})
		seen.State = string(saga.State)
		if err != nil || seen.unfinished() {
			return fmt.Errorf("the rows are %v after %d events (%w)", seen.Rows, len(seen.Events), err)
		}
		return nil
	})
	if got.Status == order.NEEDSATTENTION && seen.State != "Compensating" {
		t.Errorf("a person is needed, and the saga is %s", seen.State)
	}
	return seen
}

func (s *shop) orderRow(t *testing.T, id string) string {
	t.Helper()
	return kit.Query[string](t, s.At.Databases["order"], `SELECT status FROM orders WHERE id = $1`, id)
}

// unfinished: the order is open, or a service has not handled its last event.
func (seen trace) unfinished() bool {
	open := seen.Rows["order"] == "PENDING" || seen.Rows["order"] == "CANCELLING"
	return open && seen.Rows["payment"] != "REFUND_REFUSED" || seen.Rows["shipping"] == "CREATED" && seen.Rows["inventory"] != "SOLD" ||
		seen.Rows["order"] == "CONFIRMED" && seen.State != "Succeeded" || seen.Rows["order"] == "CANCELLED" && seen.State != "Failed" ||
		seen.Rows["payment"] == "REFUND_REFUSED" && !seen.needsAttention()
}

func (seen trace) needsAttention() bool {
	for _, event := range seen.Events {
		var envelope struct{ Type string }
		if json.Unmarshal(event, &envelope) == nil && envelope.Type == "saga.order.OrderNeedsAttention.v1" {
			return true
		}
	}
	return false
}

// explore visits every saga that there can be: whatever is on its way arrives next, and whoever may act does.
const explore = `(async () => {
	const [{ after }, { begin }] = await Promise.all(['follow', 'model'].map((m) => import('/assets/simulator/' + m + '.js')));
	const flow = await (await fetch('/api/flow')).json();
	const seen = new Set(); const rests = new Set(); const wrong = [];
	const same = (s) => JSON.stringify([s.rows, s.messages.map((m) => [m.event, m.open]).sort()]);
	for (let edge = [begin(flow)]; edge.length; ) {
		const next = [];
		for (const saga of edge) {
			const { order, inventory, payment, shipping } = saga.rows;
			if (order === 'CONFIRMED' && (shipping !== 'CREATED' || payment !== 'CAPTURED')) wrong.push(saga.rows);
			if (order === 'CANCELLED' && (shipping === 'CREATED' || ['CAPTURED', 'INTENT', 'UNKNOWN'].includes(payment) || ['RESERVED', 'SOLD'].includes(inventory))) wrong.push(saga.rows);
			const all = after(flow, saga, true);
			if (all.length === 0) rests.add(Object.values(saga.rows).join(' '));
			for (const one of all) if (!seen.has(same(one))) { seen.add(same(one)); next.push(one); }
		}
		edge = next;
	}
	return { States: seen.size, Rests: [...rests].sort(), Wrong: wrong };
})()`

// modelIsSound: in whatever order events arrive, and whatever fails, no saga is half done, and none stands still.
func modelIsSound(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1000, 700)
	got := value[struct {
		States int
		Rests  []string
		Wrong  []map[string]string
	}](p, explore)
	if got.States < 200 || len(got.Wrong) > 0 {
		t.Errorf("of %d states these are wrong: %v", got.States, got.Wrong)
	}
	for _, rest := range got.Rests {
		if !strings.HasPrefix(rest, "CONFIRMED ") && !strings.HasPrefix(rest, "CANCELLED ") {
			t.Errorf("a saga stands still at %s", rest)
		}
	}
}

// anywhere does each of the things that can be done once at each step of an order that succeeds, and then goes on as far as it goes.
const anywhere = `(async () => {
	const [{ play, step, possible }, { begin }] = await Promise.all(['play', 'model'].map((m) => import('/assets/simulator/' + m + '.js')));
	const flow = await (await fetch('/api/flow')).json();
	const done = {}, unended = [];
	for (let n = 0; n < 6; n++) for (const press of Object.keys(possible(flow, play(flow, 'n'.repeat(n)))).filter((p) => p !== 'n')) {
		let saga = play(flow, 'n'.repeat(n) + press);
		for (let can = possible(flow, saga); 'n' in can || 's' in can; can = possible(flow, saga)) saga = step(flow, saga, 'n' in can ? 'n' : 's');
		(done[press] ??= []).push(n);
		if (!['CONFIRMED', 'CANCELLED'].includes(saga.rows.order)) unended.push('n'.repeat(n) + press);
	}
	return { Done: done, Unended: unended };
})()`

// anyStep: a failure, a crash, a repetition, a delay, a slow gateway and a cancel at any step lead to an end.
func anyStep(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1000, 700)
	got := value[struct {
		Done    map[string][]int
		Unended []string
	}](p, anywhere)
	if len(got.Unended) > 0 {
		t.Errorf("these do not end: %v", got.Unended)
	}
	// A repetition needs a consumed event, a delay something that can overtake, a slow gateway a charge; a
	// cancel an order that has not ended.
	for press, want := range map[string]int{"f": 6, "x": 6, "d": 4, "c": 4, "i": 1} {
		if steps := got.Done[press]; len(steps) < want {
			t.Errorf("%q can be pressed at the steps %v", press, steps)
		}
	}
}
