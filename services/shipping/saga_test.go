package shipping

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// nothing is known of an order that no event has reached shipping about.
const nothing State = ""

// protocol is the state table of shipping: which event at which state leads where. A pair that is not
// listed changes nothing: all states are final. It is answered where the request is repeated, and only there.
func protocol(served bool) map[State]map[string]State {
	arrival := Failed
	if served {
		arrival = Created
	}
	return map[State]map[string]State{
		nothing: {"PaymentProcessed": arrival, "OrderCancelRequested": Fenced},
	}
}

// length is how many events a sequence has: what came first, and two more of any kind.
const length = 3

// TestSaga_EveryOrderOfEvents plays every sequence of events, repetitions included, against the state table:
// to a country that is served and to one that is not, each event in a transaction of its own and all in
// one batch. There is no inbox here that would hide a missing state guard.
func TestSaga_EveryOrderOfEvents(t *testing.T) {
	t.Parallel()
	for _, country := range []string{"GB", "AQ"} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in one batch: %v", country, together), func(t *testing.T) {
				t.Parallel()
				pool := database(t).Pool
				for n := range 1 << (2 * length) {
					paid := paidOrder(newOrderID(t), country)
					cancel := cancelOf(paid.OrderID)
					paidAgain, cancelAgain := paid, cancel
					paidAgain.Attempt, cancelAgain.Attempt = 3, 2
					list := sequence([]events.Event{paid, cancel, paidAgain, cancelAgain}, n)
					play(t, pool, list, protocol(country == "GB"), together)
				}
			})
		}
	}
}

// sequence is the nth sequence of events, n being a number of length digits to the base of their kinds.
func sequence(kinds []events.Event, n int) []events.Event {
	var list []events.Event
	for range length {
		list = append(list, kinds[n%len(kinds)])
		n /= len(kinds)
	}
	return list
}

// play handles the events and compares each answer and the state in the end with the table.
func play(t *testing.T, pool *pgxpool.Pool, list []events.Event, table map[State]map[string]State, together bool) {
	t.Helper()
	var answers []events.Event
	for _, part := range split(list, together) {
		got, err := batch(t.Context(), pool, part...)
		if err != nil {
			t.Fatalf("%s: %v", names(list), err)
		}
		answers = append(answers, got...)
	}
	made := shipmentIn(t, pool, list[0].Order())
	state := nothing
	for i, event := range list {
		var want events.Event
		to, listed := table[state][event.Type().Name]
		if listed {
			state = to
		}
		if listed || asked(event).Repeated() {
			want = expected(event, list, state, made.ShipmentID)
		}
		if !reflect.DeepEqual(answers[i], want) {
			t.Errorf("%s: event %d was answered by %+v, want %+v", names(list), i+1, answers[i], want)
		}
	}
	if made.State != state || strings.HasPrefix(made.ShipmentID, "shp_") != (state == Created) {
		t.Errorf("%s led to %+v, want it %s", names(list), made, state)
	}
}

// asked is the number of the attempt that an event carries.
func asked(event events.Event) events.Repeat {
	switch e := event.(type) {
	case events.PaymentProcessed:
		return e.Repeat
	case events.OrderCancelRequested:
		return e.Repeat
	}
	return events.Repeat{}
}

// expected is the answer to an event in the state that it leads to, or finds: it has the event's number.
func expected(event events.Event, list []events.Event, in State, shipmentID string) events.Event {
	about := events.Subject{OrderID: event.Order()}
	switch in {
	case Created:
		for _, other := range list {
			if paid, ok := other.(events.PaymentProcessed); ok {
				return events.ShipmentCreated{Snapshot: paid.Snapshot, ShipmentID: shipmentID, Repeat: asked(event)}
			}
		}
		return nil
	case Failed:
		return events.ShipmentFailed{Subject: about, Reason: "destination_not_served: AQ", Repeat: asked(event)}
	case Fenced:
		return events.ShipmentFailed{Subject: about, Reason: "cancelled", Repeat: asked(event)}
	default:
		return nil
	}
}

func split(list []events.Event, together bool) [][]events.Event {
	if together {
		return [][]events.Event{list}
	}
	var parts [][]events.Event
	for i := range list {
		parts = append(parts, list[i:i+1])
	}
	return parts
}

func names(list []events.Event) []string {
	var all []string
	for _, event := range list {
		all = append(all, event.Type().Name)
	}
	return all
}

// shipmentIn is what is stored about an order; zero where nothing is.
func shipmentIn(t *testing.T, pool *pgxpool.Pool, orderID string) Shipment {
	t.Helper()
	shipment, err := shipmentOf(t.Context(), pool, orderID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return shipment
}

// The order's id alone is no answer: it stands for these goods at this address.
func TestSaga_AnotherParcelForTheSameOrderIsADeadLetter(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for country, state := range map[string]State{"GB": Created, "AQ": Failed} {
		order := paidOrder(newOrderID(t), country)
		if _, err := batch(t.Context(), pool, order); err != nil {
			t.Fatal(err)
		}
		others := map[string]events.PaymentProcessed{"country": paidOrder(order.OrderID, "FR"), "street": order}
		street := others["street"]
		street.ShipTo.Street = "Elsewhere 1"
		others["street"] = street
		if state == Created { // what cannot be shipped has an address, and no parcel
			goods, total := order, order
			goods.Lines, total.Total.Amount = []events.Line{{SKU: "gadget", Quantity: 1, UnitPrice: 1999}}, 2999
			others["goods"], others["total"] = goods, total
		}
		for what, other := range others {
			for _, other.Attempt = range []int{0, 2} {
				answers, err := batch(t.Context(), pool, other)
				deadLetter := outbox.DeadLetter(err)
				if err == nil || reflect.TypeOf(err) != reflect.TypeOf(deadLetter) || !strings.Contains(err.Error(), order.OrderID) {
					t.Errorf("%s: another %s, attempt %d: answered %v, %v", state, what, other.Attempt, answers, err)
				}
			}
		}
		if got := shipmentIn(t, pool, order.OrderID); got.State != state || *got.ShipTo != order.ShipTo {
			t.Errorf("it is %+v", got)
		}
		if _, err := batch(t.Context(), pool, order, cancelOf(order.OrderID)); err != nil {
			t.Errorf("%s: the same once more: %v", state, err)
		}
	}
	fenced := paidOrder(newOrderID(t), "GB") // a fence knows no parcel
	if answers, err := batch(t.Context(), pool, cancelOf(fenced.OrderID), fenced, paidOrder(fenced.OrderID, "FR")); err != nil {
		t.Errorf("%v, %v", answers, err)
	}
}
