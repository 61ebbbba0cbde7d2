package repair

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/charge"
)

// A stray is a charge that the gateway shows under an order's reference beside the payment's own: nobody here asked for
// it. The payment stays as it is. All that can be done is to give the money back, and to take note of that.

// none is the state of an order without a payment.
const none charge.State = "NONE"

// asRefunded is what came of a retry of an incident about strays.
const asRefunded = "refunded"

// stray is one of them, and what is not back of it.
type stray struct {
	charge.GatewayResponse
	rest int64
}

// straysOf are those of which no operator has taken note.
func straysOf(p charge.Payment, found evidence) (strays []stray) {
	for _, c := range found.shown {
		if p.State.Open() || c.ID == p.ChargeID || slices.Contains(found.accepted, c.ID) {
			continue
		}
		s := stray{c, c.Amount}
		for _, refund := range c.Refunds {
			s.rest -= refund.Amount
		}
		strays = append(strays, s)
	}
	return strays
}

// offerRefund offers the end of strays.
func offerRefund(strays []stray) adminapi.Step {
	words := make([]string, 0, len(strays))
	for _, s := range strays {
		money := charge.Payment{Currency: s.Currency}.Money
		words = append(words, fmt.Sprintf("%s of %s, of which %s are back", s.ID, money(s.Amount), money(s.Amount-s.rest)))
	}
	return adminapi.Step{Action: actionRetry, Means: "the gateway shows " + strings.Join(words, ", and ") +
		", beside the payment's own charge: it is asked for what is not back yet, and when all is back the ledgers agree"}
}

// refundStrays asks the gateway for what is not back. A refund's number counts those that it shows, so one whose answer
// was lost is asked for under the same key.
func (o Operator) refundStrays(ctx context.Context, p charge.Payment, found evidence) error {
	strays := straysOf(p, found)
	if len(strays) == 0 {
		return refuse("The gateway shows no charge beside the payment's own.")
	}
	for _, s := range strays {
		if s.rest <= 0 {
			continue
		}
		outcome := o.gateway.Refund(ctx, charge.Payment{OrderID: p.OrderID, ChargeID: s.ID, RefundNumber: len(s.Refunds) + 1,
			RefundAmount: s.rest, Currency: s.Currency})
		switch outcome.Decision {
		case charge.No:
			return refuse("The gateway refuses to give %s back: %s.", s.ID, outcome.Reason)
		case charge.Undecided:
			return &problem.Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
				Detail: "Whether " + s.ID + " is given back is not known: " + outcome.Reason + ". Try again."}
		case charge.Yes:
		}
	}
	return nil
}

// acceptStrays takes note of strays whose money is back. Of two operators one wins.
func acceptStrays(ctx context.Context, tx pgx.Tx, incident adminapi.Incident, c command, p charge.Payment,
	found evidence) (adminapi.Action, error) {
	var ids []string
	for _, s := range straysOf(p, found) {
		if s.rest != 0 {
			return adminapi.Action{}, refuse("The gateway does not show yet that %s is back.", s.ID)
		}
		ids = append(ids, s.ID)
		for _, refund := range s.Refunds {
			ids = append(ids, refund.ID)
		}
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO accepted_movement (gateway_id, order_id) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING`,
		ids, incident.OrderID)
	if err != nil {
		return adminapi.Action{}, charge.Wrap(err, "take note of charges of order", incident.OrderID)
	}
	if tag.RowsAffected() == 0 {
		return adminapi.Action{}, refuse("Another operator was first.")
	}
	state := snapshotOf(p)
	return adminapi.Action{
		By: c.By, Why: c.Why, Action: c.name(), TargetKind: adminapi.IncidentTarget, TargetID: incident.ID,
		Before: state, After: state, Answer: repaired{incident.ID, incident.OrderID, asRefunded, state, state},
	}, nil
}

// accepted are the movements of which an operator has taken note.
func (o Operator) accepted(ctx context.Context, orderID string) (ids []string, err error) {
	err = o.app.Pool.QueryRow(ctx, `
		SELECT coalesce(array_agg(gateway_id), '{}') FROM accepted_movement WHERE order_id = $1`, orderID).Scan(&ids)
	return ids, charge.Wrap(err, "read what was taken note of for order", orderID)
}
