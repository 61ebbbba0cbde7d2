package payment

import (
	"context"
	"fmt"
)

// resolve finds out what became of a charge whose answer is missing. First it asks for the same charge again,
// under the same key: whether the first request arrived or not, there is one charge afterwards, and an answer. When
// that does not help either it looks the charge up by its reference. Beyond the budget nothing is sent any
// more, so that the last request falls behind the horizon and "not found" becomes a definite no.
func (w *workers) resolve(ctx context.Context, c Claim) Answer {
	asked := Answer{Reason: "the gateway knows of no charge yet"}
	if c.Send {
		if asked = w.gateway.charge(ctx, c); asked.Verdict != Undecided {
			w.metrics.resolved.WithLabelValues("same_key").Inc()
			return asked
		}
	}
	charges, err := w.gateway.lookUp(ctx, c)
	if err != nil {
		if !c.Send {
			asked.Reason = err.Error()
		}
		return asked
	}
	found := c.lookedUp(charges, asked)
	switch found.Verdict {
	case Yes:
		w.metrics.resolved.WithLabelValues("look_up").Inc()
	case No:
		w.metrics.resolved.WithLabelValues("horizon").Inc()
	case Undecided:
	}
	return found
}

// notCharged is the reason of a charge that was declined by nobody and never made.
const notCharged = "not_charged"

// lookedUp makes an answer of what the gateway shows under the payment's reference. More than one charge, or
// another amount, is nothing that payment may decide.
func (c Claim) lookedUp(charges []said, asked Answer) Answer {
	switch {
	case len(charges) == 0 && c.Horizon:
		return Answer{Verdict: No, Reason: notCharged}
	case len(charges) == 0:
		return asked
	case len(charges) > 1:
		return Answer{Reason: fmt.Sprintf("the gateway shows %d charges", len(charges))}
	}
	if reason := c.mismatch(charges[0], c.Amount); reason != "" {
		return Answer{Reason: reason}
	}
	return Answer{Verdict: Yes, ID: charges[0].ID}
}
