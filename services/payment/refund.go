package payment

import "context"

// giveBack asks the gateway to return what was captured, under the refund's own key. A missing answer is
// asked for again under the same key for as long as it takes: unlike a charge, nothing else can be done about it.
// From the second attempt on the gateway's list is a second way to learn that it was done.
func (w *workers) giveBack(ctx context.Context, c Claim) Answer {
	answer := w.gateway.refund(ctx, c)
	if answer.Verdict != Undecided || c.Attempts == 1 {
		return answer
	}
	charges, err := w.gateway.lookUp(ctx, c)
	if err != nil {
		return answer
	}
	for _, charge := range charges {
		if charge.ID != c.ChargeID {
			continue
		}
		for _, refund := range charge.Refunds {
			if c.mismatch(refund, c.RefundAmount) == "" {
				return Answer{Verdict: Yes, ID: refund.ID}
			}
		}
	}
	return answer
}
