package payment

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment/charge"
)

func TestPacts_PaymentReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	found := map[string][]pact.Interaction{"gateway": readOfTheGateway(t)}
	for _, event := range events.Subscriptions[events.Payment] {
		consumed := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, reactPrepared, "payment")
		})
		found[string(event.Service)] = append(found[string(event.Service)], consumed)
	}
	pacttest.Keep(t, "payment", found)
}

// reactPrepared is a step as the inbox calls it.
func reactPrepared(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	if err := lockBatch(ctx, tx, []events.Event{event}); err != nil {
		return nil, err
	}
	return react(ctx, tx, event)
}

const (
	anOrder      = "01936f2e-7c00-7000-8000-000000000001"
	anotherOrder = "01936f2e-7c00-7000-8000-000000000002" // the look-up by reference shows no other charge
	aCharge      = "ch_0c2f6a1b7e42"
	captured     = `{"id": "` + aCharge + `", "merchant_reference": "` + anOrder + `", "amount": 1999, "currency": "USD", "status": "succeeded",
		"created_at": "2026-11-22T10:15:00Z", "refunds": []}`
	returned = `{"id": "re_9a550c2f6a1b", "charge_id": "` + aCharge + `", "merchant_reference": "` + anOrder + `", "amount": 1999,
		"currency": "USD", "status": "succeeded", "created_at": "2026-11-22T10:16:00Z"}`
)

// readOfTheGateway is what comes of the gateway's answers where payment believes them.
func readOfTheGateway(t *testing.T) (found []pact.Interaction) {
	t.Helper()
	answers := func(description, state string, status int, answer string) pacttest.Call {
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
	inPart := strings.Replace(captured, "[]", "["+strings.Replace(returned, "1999", "500", 1)+"]", 1)
	lookedUp := answers("the refunds of a charge are looked up", "an order is charged, and a part given back", 200,
		`{"charges": [`+strings.ReplaceAll(inPart, anOrder, anotherOrder)+`]}`)
	lookedUp.Params["reference"] = anotherOrder
	for _, c := range []struct {
		route string
		call  pacttest.Call
		ask   func(*charge.Gateway, charge.Claim) any
		token string
	}{
		{"POST /v1/charges", answers("a card is charged", "nothing is charged", 201, captured), askCharge, "tok_visa"},
		{"POST /v1/charges", answers("a card is declined", "nothing is charged", 402, declined), askCharge, "tok_declined"},
		{"POST /v1/refunds", answers("a charge is given back", "an order is charged", 201, returned), askRefund, "tok_visa"},
		{"POST /v1/refunds", answers("a refund is refused", "an order is charged to a card that takes nothing back", 402, refused), askRefund, "tok_visa"},
		{"GET /v1/charges", answers("a charge is looked up", "an order is charged", 200, `{"charges": [`+captured+`]}`), askLookUp, "tok_visa"},
		{"GET /v1/charges", lookedUp, askRefunds, "tok_visa"},
		{"GET /ledger", answers("the ledger is read", "an order is charged", 200, ledger), askLedger, "tok_visa"},
	} {
		found = append(found, pacttest.Calls(t, map[string]pacttest.Call{c.route: c.call}, func(url string) (string, error) {
			settings := quick()
			settings.GatewayURL = url
			g := charge.NewGateway(settings.Settings, nil)
			defer g.Close()
			return fmt.Sprintf("%+v", c.ask(g, claimOf(c.token))), nil
		})...)
	}
	return found
}

func claimOf(token string) charge.Claim {
	p := charge.Payment{OrderID: anOrder, ChargeKey: charge.Key(anOrder), Amount: 1999, RefundAmount: 1999, Currency: "USD", PaymentMethod: token}
	return charge.Claim{Payment: p}
}

func askCharge(g *charge.Gateway, c charge.Claim) any {
	return g.Charge(context.Background(), c.Payment)
}

func askRefund(g *charge.Gateway, c charge.Claim) any {
	c.ChargeID = aCharge
	return g.Refund(context.Background(), c.Payment)
}

// askLookUp is what payment makes of a lost answer.
func askLookUp(g *charge.Gateway, c charge.Claim) any {
	charges, err := g.LookUp(context.Background(), c.Payment)
	if err != nil {
		return err
	}
	return c.Found(charges, charge.Outcome{Reason: "lost"})
}

// askRefunds is what payment makes of refunds that were made by hand.
func askRefunds(g *charge.Gateway, c charge.Claim) any {
	c.OrderID, c.ChargeID, c.Captured = anotherOrder, aCharge, 1999
	charges, err := g.LookUp(context.Background(), c.Payment)
	if err != nil {
		return err
	}
	found, err := c.NewRefunds(charges)
	if err != nil {
		return err
	}
	return c.Book(found, charge.RefundRefused, "cancelled")
}

func askLedger(g *charge.Gateway, _ charge.Claim) any {
	entries, next, err := g.Ledger(context.Background(), 0, 1)
	read, _ := json.Marshal(entries) // strings and numbers always marshal
	return fmt.Sprint(string(read), next, err)
}

func TestPacts_PaymentPublishesWhatIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	paid, declined, voided := newID(t), newID(t), newID(t)
	s.handle(reserved(paid, "tok_visa"), reserved(declined, "tok_declined"))
	s.handle(cancelled(voided))
	s.becomes(paid, charge.Captured)
	s.becomes(declined, charge.Declined)
	s.handle(cancelled(paid))
	s.becomes(paid, charge.Refunded)
	if answers := s.events(voided); len(answers) == 0 { // the inbox stores what a step answers; so does handle
		t.Fatal("nothing was published about an order that was cancelled before it was charged")
	}
	pacttest.Publishes(t, events.Payment, s.db.Pool)
}

func TestPacts_PaymentAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	pacttest.Answers(t, "payment", s.api(), map[string]pacttest.State{
		"an order is paid": func(*testing.T, map[string]string) map[string]string {
			return map[string]string{"order_id": s.put(charge.Captured)}
		},
	})
}
