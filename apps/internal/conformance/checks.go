package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
)

// check is one promise of a service in its place.
type check struct {
	name, sentence string
	run            func(context.Context) error
}

// ready is the name of the check without which there are no others.
const ready = "ready"

func (s *suite) checks() []check {
	first, undo := s.first(), s.second(0)
	return []check{
		{ready, "GET /readyz is 200", s.ready},
		{"step", "does its step, and answers with the order that it was given", s.plays(false, first)},
		{"refusal", "refuses a step that cannot be done", s.plays(true, first)},
		{"undo", "undoes its step, or says that it is too late", s.plays(false, first, undo)},
		{"tombstone", "an undo that comes first keeps the step from being done", s.plays(false, undo, first)},
		{"duplicates", "the same event, delivered again, has one effect", s.duplicates},
		{"same-fact", "the same fact under another id has no second effect",
			s.plays(false, first, first, undo, undo, first)},
		{"repeated", "a repeated request is answered once more, with the same answer", s.repeated},
		{"other-order", "another order under the same id changes nothing and is not answered", s.otherOrder},
		{"every-order", "every order of three events that the broker can cause follows the saga's table", s.everyOrder},
		{"unknown-fields", "fields and attributes that nobody knows are ignored", s.unknownFields},
		{"dead-letters", "a message that is no valid event stops nothing", s.deadLetters},
		{"view", "GET " + paths[s.Service] + "ORDER shows the state of its row", s.view},
		{"broker-away", "the broker goes away and comes back: nothing is lost or doubled", s.away(supervisor.NATS)},
		{"database-away", "so does the database", s.away(supervisor.Postgres)},
		{"crash", "killed twice in the middle of many orders: nothing is lost or doubled", s.crash},
		{"permissions", "the login cannot publish, read or change what is not the service's", s.permissions},
		{"contract", "every message is what its schema and the saga's rules want", s.contract},
		{"effects", effects[s.Service].sentence, func(ctx context.Context) error {
			return s.wait(ctx, s.Within, func() error { return effects[s.Service].check(ctx, s) })
		}},
		{"afterwards", "nothing more was published about any order", s.afterwards},
		{"end", "ends on SIGTERM within ten seconds, with exit code 0", s.end},
	}
}

// paths are where each service shows its row about an order.
var paths = map[events.Service]string{
	events.Inventory: "/v1/reservations/", events.Payment: "/v1/payments/", events.Shipping: "/v1/shipments/",
	events.Notification: "/v1/mails/",
}

// begin and back are the events that have a service do its step and undo it.
var (
	begin = map[events.Service]events.Event{
		events.Inventory: events.OrderCreated{}, events.Payment: events.InventoryReserved{},
		events.Shipping: events.PaymentProcessed{}, events.Notification: events.OrderCreated{},
	}
	back = map[events.Service]events.Event{
		events.Inventory: events.PaymentVoided{}, events.Payment: events.ShipmentFailed{},
		events.Shipping: events.OrderCancelRequested{}, events.Notification: events.OrderCancelled{},
	}
)

func (s *suite) first() step { return step{Type: begin[s.Service].Type()} }

func (s *suite) second(attempt int) step { return step{back[s.Service].Type(), attempt} }

func (s *suite) ready(ctx context.Context) error {
	within := s.Within
	if s.Start == "" && !s.met { // a person has yet to start it
		within = time.Hour
	}
	err := s.wait(ctx, within, func() error { return s.candidate.ready(ctx) })
	s.met = err == nil
	return err
}

// sequence plays the steps on a new order, each when the one before is answered.
func (s *suite) sequence(ctx context.Context, refused bool, steps ...step) (*order, error) {
	o := newOrder(refused)
	for _, step := range steps {
		if err := s.play(ctx, o, step, 1); err != nil {
			return o, err
		}
		if err := s.settled(ctx, o); err != nil {
			return o, err
		}
	}
	return o, s.expect(ctx, o)
}

// plays is a check that plays a sequence.
func (s *suite) plays(refused bool, steps ...step) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.sequence(ctx, refused, steps...)
		return err
	}
}

func (s *suite) duplicates(ctx context.Context) error {
	o := newOrder(false)
	for _, step := range []step{s.first(), s.second(2)} {
		if err := s.play(ctx, o, step, 3); err != nil {
			return err
		}
		if err := s.settled(ctx, o); err != nil {
			return err
		}
	}
	return s.expect(ctx, o)
}

func (s *suite) repeated(ctx context.Context) error {
	for _, refused := range []bool{false, true} {
		all := []step{s.first()}
		for _, step := range steps(s.Service) {
			if step.attempt > 0 {
				all = append(all, step)
				step.attempt++
				all = append(all, step)
			}
		}
		if _, err := s.sequence(ctx, refused, all...); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) otherOrder(ctx context.Context) error {
	o := newOrder(false)
	if err := s.play(ctx, o, s.first(), 1); err != nil {
		return err
	}
	if err := s.settled(ctx, o); err != nil {
		return err
	}
	for _, attempt := range []int{0, 2} {
		again := step{s.first().Type, attempt}
		if err := s.publish(ctx, uuid.NewString(), o.other(), again, 1); err != nil {
			return err
		}
	}
	o.played = append(o.played, "the same of another order under this id")
	return s.expect(ctx, o)
}

// everyOrder plays all sequences at the same time, each event when all before it are answered.
func (s *suite) everyOrder(ctx context.Context) error {
	const length = 3
	kinds := steps(s.Service)
	var orders []*order
	sequences := map[*order][]step{}
	all := 1
	for range length {
		all *= len(kinds)
	}
	for n := range 2 * all {
		o := newOrder(n >= all)
		for m := n % all; len(sequences[o]) < length; m /= len(kinds) {
			sequences[o] = append(sequences[o], kinds[m%len(kinds)])
		}
		if o.possible(s.Service, sequences[o][0]) {
			orders = append(orders, o)
		}
	}
	for n := range length {
		for _, o := range orders {
			if err := s.play(ctx, o, sequences[o][n], 1); err != nil {
				return err
			}
		}
		if err := s.settled(ctx, orders...); err != nil {
			return errors.Join(s.judgeAll(orders), err)
		}
	}
	return s.expect(ctx, orders...)
}

func (s *suite) unknownFields(ctx context.Context) error {
	o, id := newOrder(false), uuid.Must(uuid.NewV7()).String()
	message, err := s.broker.encode(id, o.event(s.first()))
	if err != nil {
		return err
	}
	more := strings.Replace(string(message), `"data":{`, `"extension":"x","data":{"unknown":{"a":[1]},`, 1)
	o.apply(s.Service, s.first(), id)
	if err := s.broker.publish(ctx, s.first().Type, o.OrderID, []byte(more)); err != nil {
		return err
	}
	return s.expect(ctx, o)
}

func (s *suite) deadLetters(ctx context.Context) error {
	o := newOrder(false)
	message, err := s.broker.encode(uuid.NewString(), o.event(s.first()))
	if err != nil {
		return err
	}
	var without map[string]any
	if err := json.Unmarshal(message, &without); err != nil {
		return err
	}
	without["data"] = map[string]any{"order_id": o.OrderID}
	incomplete, err := json.Marshal(without)
	if err != nil {
		return err
	}
	for _, invalid := range [][]byte{[]byte("no JSON"), []byte("{}"), []byte("[1]"), nil, incomplete} {
		if err := s.broker.publish(ctx, s.first().Type, o.OrderID, invalid); err != nil {
			return err
		}
	}
	o.played = []string{"messages that are no valid events"}
	return s.expect(ctx, o)
}

func (s *suite) view(ctx context.Context) error {
	for _, refused := range []bool{false, true} {
		o, err := s.sequence(ctx, refused, s.first())
		if err != nil {
			return err
		}
		var row struct {
			OrderID string `json:"order_id"`
			State   string `json:"state"`
		}
		if err := read(ctx, s.candidate.url+paths[s.Service]+o.OrderID, &row); err != nil {
			return err
		}
		if row.State != o.state || row.OrderID != o.OrderID {
			return fmt.Errorf("order %s is %q, shown was %+v", o.OrderID, o.state, row)
		}
	}
	return nil
}

// many plays the first step of many orders; some of them are refused.
func (s *suite) many(ctx context.Context, n int) (orders []*order, err error) {
	for i := 0; i < n && err == nil; i++ {
		o := newOrder(i%5 == 0)
		orders = append(orders, o)
		err = s.play(ctx, o, s.first(), 1)
	}
	return orders, err
}

// away ends a server in the middle of many orders, and starts it again.
func (s *suite) away(server string) func(context.Context) error {
	return func(ctx context.Context) error {
		orders, err := s.many(ctx, 100)
		if err == nil {
			err = s.system.Down(ctx, server)
		}
		if err == nil && server == supervisor.Postgres {
			var more []*order
			more, err = s.many(ctx, 20)
			orders = append(orders, more...)
		}
		if err == nil {
			err = s.system.Up(ctx, server)
		}
		if err != nil {
			return err
		}
		return s.expect(ctx, orders...)
	}
}

func (s *suite) crash(ctx context.Context) error {
	if s.Start == "" && s.Crash == "" {
		return fmt.Errorf("%w: it needs --start or --crash-cmd", errLeftOut)
	}
	var orders []*order
	for range 2 {
		some, err := s.many(ctx, 100)
		if err == nil {
			err = s.wait(ctx, s.Within, func() error { return s.answered(ctx, some[:20]) }) // it is at work
		}
		if err != nil {
			return err
		}
		more, err := s.many(ctx, 100)
		orders = slices.Concat(orders, some, more)
		if err == nil {
			err = s.candidate.kill(ctx)
		}
		if err == nil {
			err = s.ready(ctx)
		}
		if err != nil {
			return err
		}
	}
	return s.expect(ctx, orders...)
}

func (s *suite) permissions(context.Context) error {
	id := uuid.NewString()
	var denied []string
	for _, other := range events.Services {
		if other != s.Service {
			denied = append(denied, events.Publications[other][0].SubjectOf(id),
				fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", events.Stream, other))
		}
	}
	for _, api := range []string{"STREAM.PURGE.%s", "STREAM.DELETE.%s", "STREAM.UPDATE.%s", "CONSUMER.CREATE.%s.x",
		"CONSUMER.DELETE.%s." + string(s.Service), "STREAM.MSG.DELETE.%s"} {
		denied = append(denied, "$JS.API."+fmt.Sprintf(api, events.Stream))
	}
	return mayNot(s.env["NATS_URL"], s.Service, denied, []string{events.StreamSubjects, "_INBOX.>", "$JS.API.>"})
}

func (s *suite) contract(ctx context.Context) error {
	if err := s.broker.read(ctx); err != nil {
		return err
	}
	return summary(s.broker.wrong)
}

func (s *suite) afterwards(ctx context.Context) error {
	if err := s.broker.read(ctx); err != nil {
		return err
	}
	return s.judgeAll(s.orders)
}

func (s *suite) end(context.Context) error {
	if s.Start == "" {
		return fmt.Errorf("%w: it needs --start", errLeftOut)
	}
	return s.candidate.stop()
}
