package payment

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
)

func TestPacts_PaymentReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	found := map[string][]pact.Interaction{"gateway": readOfTheGateway(t)}
	for _, event := range events.Subscriptions[events.Payment] {
		heard := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, hearPrepared, "payment")
		})
		found[string(event.Service)] = append(found[string(event.Service)], heard)
	}
	pacttest.Keep(t, "payment", found)
}

// hearPrepared is a step as the inbox calls it.
func hearPrepared(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	if err := lockBatch(ctx, tx, []events.Event{event}); err != nil {
		return nil, err
	}
	return react(ctx, tx, event)
}

const (
	anOrder  = "01936f2e-7c00-7000-8000-000000000001"
	aCharge  = "ch_0c2f6a1b7e42"
	captured = `{"id": "` + aCharge + `", "merchant_reference": "` + anOrder + `", "amount": 1999, "currency": "USD", "status": "succeeded",
		"created_at": "2026-11-22T10:15:00Z", "refunds": []}`
	returned = `{"id": "re_9a550c2f6a1b", "charge_id": "` + aCharge + `", "merchant_reference": "` + anOrder + `", "amount": 1999,
		"currency": "USD", "status": "succeeded", "created_at": "2026-11-22T10:16:00Z"}`
)

// readOfTheGateway is what comes of the gateway's answers where payment believes them.
func readOfTheGateway(t *testing.T) (found []pact.Interaction) {
	t.Helper()
	said := func(description, state string, status int, answer string) pacttest.Call {
		return pacttest.Call{
			Description: description, State: state, Params: map[string]string{"charge_id": aCharge, "reference": anOrder}, Status: status, Answer: answer,
			Exactly: []string{"$.merchant_reference", "$.amount", "$.currency", "$.status"},
		}
	}
	refused := `{"status": "refused", "refusal_code": "refund_refused", "charge_id": "` + aCharge + `", "merchant_reference": "` + anOrder + `",
		"amount": 1999, "currency": "USD"}`
	declined := `{"status": "declined", "decline_code": "card_declined", "merchant_reference": "` + anOrder + `", "amount": 1999, "currency": "USD"}`
	ledger := `{"entries": [{"id": "` + aCharge + `", "kind": "charge", "merchant_reference": "` + anOrder + `", "amount": 1999, "currency": "USD",
		"status": "succeeded", "created_at": "2026-11-22T10:15:00Z"}], "next": 1}`
	for _, c := range []struct {
		route string
		call  pacttest.Call
		ask   func(*gateway, Claim) any
		token string
	}{
		{"POST /v1/charges", said("a card is charged", "nothing is charged", 201, captured), askCharge, "tok_visa"},
		{"POST /v1/charges", said("a card is declined", "nothing is charged", 402, declined), askCharge, "tok_declined"},
		{"POST /v1/refunds", said("a charge is given back", "an order is charged", 201, returned), askRefund, "tok_visa"},
		{"POST /v1/refunds", said("a refund is refused", "an order is charged to a card that takes nothing back", 402, refused), askRefund, "tok_visa"},
		{"GET /v1/charges", said("a charge is looked up", "an order is charged", 200, `{"charges": [`+captured+`]}`), askLookUp, "tok_visa"},
		{"GET /ledger", said("the ledger is read", "an order is charged", 200, ledger), askLedger, "tok_visa"},
	} {
		found = append(found, pacttest.Calls(t, map[string]pacttest.Call{c.route: c.call}, func(url string) (string, error) {
			settings := quick()
			settings.GatewayURL = url
			g := newGateway(settings, nil)
			defer g.client.CloseIdleConnections()
			return fmt.Sprintf("%+v", c.ask(g, claimOf(c.token))), nil
		})...)
	}
	return found
}

func claimOf(token string) Claim {
	p := Payment{OrderID: anOrder, ChargeKey: chargeKey(anOrder), Amount: 1999, RefundAmount: 1999, Currency: "USD", PaymentMethod: token}
	return Claim{Payment: p}
}

func askCharge(g *gateway, c Claim) any { return g.charge(context.Background(), c) }

func askRefund(g *gateway, c Claim) any {
	c.ChargeID = aCharge
	return g.refund(context.Background(), c)
}

// askLookUp is what payment makes of a lost answer.
func askLookUp(g *gateway, c Claim) any {
	charges, err := g.lookUp(context.Background(), c)
	if err != nil {
		return err
	}
	return c.lookedUp(charges, Answer{Reason: "lost"})
}

func askLedger(g *gateway, _ Claim) any {
	entries, next, err := g.ledger(context.Background(), 0, 1)
	read, _ := json.Marshal(entries) // strings and numbers always marshal
	return fmt.Sprint(string(read), next, err)
}

func TestPacts_PaymentPublishesWhatIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	paid, declined, voided := newID(t), newID(t), newID(t)
	s.hear(reserved(paid, "tok_visa"), reserved(declined, "tok_declined"))
	s.hear(cancelled(voided))
	s.becomes(paid, Captured)
	s.becomes(declined, Declined)
	s.hear(cancelled(paid))
	s.becomes(paid, Refunded)
	if answers := s.told(voided); len(answers) == 0 { // the inbox stores what a step answers; so does hear
		t.Fatal("nothing was said of an order that was cancelled before it was charged")
	}
	pacttest.Publishes(t, events.Payment, s.db.Pool)
}

func TestPacts_PaymentAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	pacttest.Answers(t, "payment", s.api(), map[string]pacttest.State{
		"an order is paid": func(*testing.T, map[string]string) map[string]string {
			return map[string]string{"order_id": s.put(Captured)}
		},
	})
}
