package payment

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// becomesSoon waits for the end of a payment that is to be definite at once.
func (s *shop) becomesSoon(orderID string, want charge.State) {
	s.t.Helper()
	testkit.Eventually(s.t, 2*time.Second, "payment "+orderID+" to be "+string(want), func() bool {
		return s.state(orderID) == want
	})
}

// What the gateway itself refuses to carry out is declined at once, without an incident.
func TestRefusal_OfTheOnlyRequestIsDefinite(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	unknownCard, currency, amount, token := newID(t), newID(t), newID(t), newID(t)
	inYen := reserved(currency, "tok_visa")
	inYen.Total.Currency = "XAU"
	tooMuch := reserved(amount, "tok_visa")
	tooMuch.Total.Amount = 100_000_000_001
	s.handle(reserved(unknownCard, "tok_doesnotexist"), inYen, tooMuch, reserved(token, "no token"))
	for _, id := range []string{unknownCard, currency, amount, token} {
		s.becomesSoon(id, charge.Declined)
		list := s.events(id)
		if len(list) != 1 || list[0] != (events.PaymentFailed{Subject: events.Subject{OrderID: id}, Reason: charge.InvalidRequest}) {
			t.Errorf("published %+v", list)
		}
		if n := count(t, s.db.Pool, `SELECT count(*) FROM incident WHERE order_id = $1`, id); n != 0 {
			t.Errorf("%d incidents", n)
		}
	}
	if posts := s.gate.wire.seen.Load(); posts != 4 {
		t.Errorf("4 requests were sent %d times", posts)
	}
	s.checkLedgers()
}

// A direct client gets the same as a 402, which is kept like every outcome.
func TestRefusal_OfADirectChargeIsA402(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	for i, body := range []string{
		chargeBody("r-0", "tok_doesnotexist"),
		strings.Replace(chargeBody("r-1", "tok_visa"), "USD", "KWD", 1),
		strings.Replace(chargeBody("r-2", "tok_visa"), "USD", "XXX", 1),
	} {
		key := fmt.Sprint("k", i)
		first := ask(t, h, http.MethodPost, "/v1/charges", key, body)
		second := ask(t, h, http.MethodPost, "/v1/charges", key, body)
		if first.status != http.StatusPaymentRequired || !strings.Contains(first.body, `"code":"invalid_request"`) || second.body != first.body {
			t.Errorf("%s: %d %s\nthen %d %s", body, first.status, first.body, second.status, second.body)
		}
	}
}

// answering is a rule that answers every POST instead of the gateway.
func answering(status int, mediaType, attempts, body string) rule {
	return func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.Method != http.MethodPost {
			pass(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		for line := range strings.FieldsSeq(attempts) {
			w.Header().Add("Ambassador-Attempts", line)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// gatewayProblem is a problem document of the gateway.
func gatewayProblem(status int, code string) string {
	return fmt.Sprintf(`{"type":"about:blank","title":"x","status":%d,"code":%q}`, status, code)
}

// Each status of a definite refusal, and beside them everything that a fault of the way looks like.
func TestRefusal_IsTheGatewaysOwnOrDecidesNothing(t *testing.T) {
	t.Parallel()
	own := problem.ContentType
	tests := map[string]struct {
		rule rule
		want charge.State
	}{
		"400":                    {answering(400, own, "1", gatewayProblem(400, "invalid_request")), charge.Declined},
		"404":                    {answering(404, own, "1", gatewayProblem(404, "unknown_charge")), charge.Declined},
		"413":                    {answering(413, own+"; charset=utf-8", "1", gatewayProblem(413, "invalid_request")), charge.Declined},
		"415":                    {answering(415, own, "1", gatewayProblem(415, "invalid_request")), charge.Declined},
		"422":                    {answering(422, own, "1", gatewayProblem(422, "unknown_card")), charge.Declined},
		"sent twice on the way":  {answering(422, own, "2", gatewayProblem(422, "unknown_card")), charge.Unknown},
		"counted on two lines":   {answering(422, own, "1 2", gatewayProblem(422, "unknown_card")), charge.Unknown},
		"nobody counted":         {answering(422, own, "", gatewayProblem(422, "unknown_card")), charge.Unknown},
		"without a code":         {answering(422, own, "1", `{"type":"about:blank","title":"x","status":422}`), charge.Unknown},
		"a code of another API":  {answering(422, own, "1", gatewayProblem(422, "bad_entity")), charge.Unknown},
		"another status inside":  {answering(422, own, "1", gatewayProblem(500, "unknown_card")), charge.Unknown},
		"another request's key":  {answering(422, own, "1", gatewayProblem(422, "key_reused")), charge.Unknown},
		"another media type":     {answering(422, "application/json", "1", gatewayProblem(422, "unknown_card")), charge.Unknown},
		"a bare 404":             {answering(404, "text/plain", "1", "404 page not found\n"), charge.Unknown},
		"another API's 404":      {answering(404, own, "1", `{"type":"about:blank","title":"Not Found","status":404}`), charge.Unknown},
		"a page of a proxy":      {answering(404, "text/html", "1", "<html>"), charge.Unknown},
		"an empty 400":           {answering(400, own, "1", ""), charge.Unknown},
		"an ambassador's 413":    {answering(413, own, "0", `{"type":"about:blank","title":"x","status":413}`), charge.Unknown},
		"401":                    {answering(401, own, "1", gatewayProblem(401, "invalid_request")), charge.Unknown},
		"403":                    {answering(403, own, "1", gatewayProblem(403, "invalid_request")), charge.Unknown},
		"405":                    {answering(405, own, "1", gatewayProblem(405, "invalid_request")), charge.Unknown},
		"407":                    {answering(407, own, "1", gatewayProblem(407, "invalid_request")), charge.Unknown},
		"408":                    {answering(408, own, "1", gatewayProblem(408, "invalid_request")), charge.Unknown},
		"409":                    {answering(409, own, "1", gatewayProblem(409, "invalid_request")), charge.Unknown},
		"429":                    {answering(429, own, "1", gatewayProblem(429, "invalid_request")), charge.Unknown},
		"500":                    {answering(500, own, "1", gatewayProblem(500, "invalid_request")), charge.Unknown},
		"503":                    {answering(503, own, "1", gatewayProblem(503, "invalid_request")), charge.Unknown},
		"a charge all the same":  {chargesAndRefuses, charge.Unknown},
		"a look-up without list": {refusesEverything, charge.Unknown},
	}
	s := newShop(t)
	for name, test := range tests { // one after the other: they share the wire
		s.gate.wire.set(test.rule)
		id := newID(t)
		s.handle(reserved(id, "tok_visa"))
		c := s.claimOne()
		s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
		if got := s.state(id); got != test.want {
			t.Errorf("%s: %s, %s", name, got, text(t, s.db.Pool, `SELECT coalesce(problem, reason) FROM payment WHERE order_id = $1`, id))
		}
		execute(t, s.db.Pool, `UPDATE payment SET next_attempt_at = now() + interval '1 hour' WHERE order_id = $1`, id)
	}
}

// chargesAndRefuses takes the money and answers that it refused to.
func chargesAndRefuses(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
	if r.Method == http.MethodPost {
		pass(httptest.NewRecorder(), r)
	}
	answering(422, problem.ContentType, "1", gatewayProblem(422, "unknown_card"))(w, r, pass)
}

// refusesEverything refuses the look-up, too.
func refusesEverything(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
	r.Method = http.MethodPost
	answering(422, problem.ContentType, "1", gatewayProblem(422, "unknown_card"))(w, r, nil)
}

// "Not found" is what the gateway's own list shows, behind the horizon; whatever else answers a look-up decides nothing.
func TestLookUp_IsTheGatewaysOwnListOrDecidesNothing(t *testing.T) {
	t.Parallel()
	const found = `{"charges":[{"id":"ch_1","merchant_reference":"ORDER","amount":1999,"currency":"USD","status":"succeeded","refunds":[REFUND]}]}`
	refund := strings.Replace(found, "REFUND", `{"id":"re_1","merchant_reference":"ORDER","amount":1,"currency":"USD","status":"failed"}`, 1)
	charged := strings.Replace(found, "REFUND", "", 1)
	tests := map[string]struct {
		mediaType, body string
		want            charge.Decision
	}{
		"an empty list":                  {"application/json", `{"charges":[]}`, charge.No},
		"a charge":                       {"application/json; charset=utf-8", charged, charge.Yes},
		"an empty object":                {"application/json", `{}`, charge.Undecided},
		"null":                           {"application/json", `null`, charge.Undecided},
		"a list that is null":            {"application/json", `{"charges":null}`, charge.Undecided},
		"another service's health":       {"application/json", `{"status":"ok"}`, charge.Undecided},
		"a page of a proxy":              {"text/html", `{"charges":[]}`, charge.Undecided},
		"an answer that does not say":    {"", `{"charges":[]}`, charge.Undecided},
		"a charge that has failed":       {"application/json", strings.Replace(charged, "succeeded", "failed", 1), charge.Undecided},
		"a charge without an id":         {"application/json", strings.Replace(charged, "ch_1", "", 1), charge.Undecided},
		"a charge with a refund to come": {"application/json", refund, charge.Undecided},
	}
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	c := s.claimOne()
	c.State, c.Send, c.Horizon = charge.Unknown, false, true
	for name, test := range tests {
		s.gate.wire.set(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header()["Content-Type"] = []string{test.mediaType}
			_, _ = w.Write([]byte(strings.ReplaceAll(test.body, "ORDER", id)))
		})
		if got := s.workers.Call(t.Context(), c); got.Decision != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s.gate.wire.set(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"ok"}`))
	})
	if lines, next, err := s.gateway.Ledger(t.Context(), 0, 1); err == nil {
		t.Errorf("another service's health was read as a ledger: %v, %d", lines, next)
	}
}

// A request may lie on its way while the next one is refused: then the refusal says nothing about the first.
func TestRefusal_AfterALostAnswerDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.wire.set(swallow)
	id := newID(t)
	s.handle(reserved(id, "tok_doesnotexist"))
	c := s.claimOne()
	s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
	s.gate.wire.heal()
	s.work()
	testkit.Eventually(t, 10*time.Second, "three refusals", func() bool {
		return count(t, s.db.Pool, `SELECT attempts FROM payment WHERE order_id = $1`, id) > 3
	})
	if got := s.state(id); got != charge.Unknown || len(s.published(id)) != 0 {
		t.Errorf("%s, published %v", got, s.published(id))
	}
}

// Nor does it after a worker who died without storing what it knew.
func TestRefusal_AfterAWorkerDiedDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_doesnotexist"))
	s.claimOne()
	s.expireLeases()
	c := s.claimOne()
	s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
	if got := s.state(id); got != charge.Unknown || len(s.published(id)) != 0 {
		t.Errorf("%s, published %v", got, s.published(id))
	}
}

// A refund whose answer was lost stays one to be asked for, whatever the next request gets.
func TestRefusal_OfARefundAfterALostAnswerDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stop := s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)
	stop()
	s.handle(cancelled(id))
	s.gate.wire.set(swallow)
	c := s.claimOne()
	s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
	s.gate.wire.set(answering(404, problem.ContentType, "1", gatewayProblem(404, "unknown_charge")))
	execute(t, s.db.Pool, `UPDATE payment SET next_attempt_at = now()`)
	c = s.claimOne()
	s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
	if got := s.state(id); got != charge.Refunding {
		t.Errorf("the refund is %s", got)
	}
}

// A connection that has gone stale makes Go's client send a request twice, and the second answer alone is seen.
func TestRefusal_OfARequestThatTheClientSentTwiceDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_doesnotexist"))
	if _, err := s.gateway.LookUp(t.Context(), charge.Payment{OrderID: id}); err != nil { // a connection to be reused
		t.Fatal(err)
	}
	var dropped atomic.Bool
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.Method == http.MethodPost && dropped.CompareAndSwap(false, true) {
			panic(http.ErrAbortHandler)
		}
		pass(w, r)
	})
	c := s.claimOne()
	s.workers.Finish(t.Context(), c, s.workers.Call(t.Context(), c))
	if got := s.state(id); got != charge.Unknown || s.gate.wire.seen.Load() != 2 {
		t.Errorf("%s after %d requests", got, s.gate.wire.seen.Load())
	}
}

// A wrong address cancels nothing: another API of ours answers there with problem documents, too.
func TestRefusal_AWrongAddressCancelsNothing(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	bare := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(bare.Close)
	db := database(t)
	for name, url := range map[string]string{
		"a path too much": gate.wire.URL + "/gateway", "nothing there": bare.URL, "the gateway's admin API": gate.admin,
	} {
		settings := quick()
		settings.GatewayURL, settings.ChargeBudget, settings.Horizon = url, 50*time.Millisecond, time.Hour
		s := openShop(t, db, gate, settings)
		id := newID(t)
		s.handle(reserved(id, "tok_visa"))
		stop := s.work()
		s.incident(id, charge.KindChargeUndecided)
		stop()
		if got := s.state(id); got != charge.Unknown || len(slices.DeleteFunc(s.published(id), isIncident)) != 0 {
			t.Errorf("%s: %s, published %v", name, got, s.published(id))
		}
	}
}

func isIncident(name string) bool { return name == "IncidentOpened" }

// A refund that the gateway refuses to carry out is refused at once: an operator sees it, a direct client gets a 402.
func TestRefusal_OfARefundIsDefinite(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	direct := charged(t, h, "r-1", "tok_visa")
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)
	s.gate.wire.set(answering(404, problem.ContentType, "1", gatewayProblem(404, "unknown_charge")))
	s.handle(cancelled(id))
	s.becomesSoon(id, charge.RefundRefused)
	s.incident(id, charge.KindRefundRefused)
	got := ask(t, h, http.MethodPost, "/v1/refunds", "k", refundBody(direct, 1999))
	if got.status != http.StatusPaymentRequired || !strings.Contains(got.body, `"code":"invalid_request"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if reason := text(t, s.db.Pool, `SELECT problem FROM payment WHERE order_id = $1`, id); reason != charge.InvalidRequest {
		t.Errorf("the order's refund: %s", reason)
	}
}
