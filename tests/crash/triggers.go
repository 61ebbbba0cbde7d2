//go:build crashmatrix

package crash

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// trigger makes a saga pass a point that it does not pass by itself. before runs before the order is
// placed, during while its saga is under way.
type trigger struct {
	before, during func(t *testing.T, l *lane, service string)
	// atStart: the point is passed when the process starts, so the fault comes from its environment.
	atStart bool
}

// triggers by point. A point that is not here is passed by a saga as it goes.
func triggers() map[failpoint.Point]trigger {
	restartBroker, poison := trigger{during: killBroker}, trigger{during: publishPoison}
	letter, action := trigger{during: redrive}, trigger{during: operate}
	old, keyed, unknown := trigger{atStart: true, before: age}, trigger{during: sendKeyed}, trigger{during: askInVain}
	return map[failpoint.Point]trigger{
		failpoint.InboxOpened:           {atStart: true},
		failpoint.InboxBeforeReturn:     {during: terminate},
		failpoint.RelayBeforeReplay:     restartBroker,
		failpoint.RelayReplayed:         restartBroker,
		failpoint.InboxPoison:           poison,
		failpoint.InboxDeadLetter:       poison,
		failpoint.RedriveBegun:          letter,
		failpoint.RedriveHandled:        letter,
		failpoint.OperatorBeforeCommit:  action,
		failpoint.OperatorCommitted:     action,
		failpoint.SweepBeforeDelete:     old,
		failpoint.SweepDeleted:          old,
		failpoint.OutboxBeforeCommit:    keyed,
		failpoint.OutboxAfterCommit:     keyed,
		failpoint.IdempotencyBegun:      keyed,
		failpoint.IdempotencyStored:     keyed,
		failpoint.IdempotencyCommitted:  keyed,
		failpoint.IdempotencyReaped:     {atStart: true, before: expireKeys},
		failpoint.DeadlineFound:         {during: overdue},
		failpoint.DeadlineCommitted:     {during: overdue},
		failpoint.GatewayBeforeLookup:   unknown,
		failpoint.GatewayAfterLookup:    unknown,
		failpoint.ReconcileBeforeCommit: {during: captureLate},
		failpoint.ReconcileCommitted:    {during: captureLate},
	}
}

func killBroker(t *testing.T, l *lane, _ string) {
	t.Helper()
	if err := l.Kill(supervisor.NATS, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// terminate has the service end in good order, which it then does not.
func terminate(t *testing.T, l *lane, service string) {
	t.Helper()
	if err := l.Kill(service, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// age gives the sweeper something that is old enough to be swept. What the orders of this run have left stays:
// it is the evidence for the invariants.
func age(t *testing.T, l *lane, service string) {
	t.Helper()
	l.exec(t, service, `INSERT INTO outbox (id, key, type, subject, payload, created_at, published_at, stream_seq)
		VALUES (gen_random_uuid(), gen_random_uuid(), 'old', 'old', '', now() - interval '26 hours', now() - interval '25 hours', 1)`)
	l.exec(t, service, `INSERT INTO inbox (event_id, type, key, received_at)
		VALUES (gen_random_uuid(), 'old', gen_random_uuid(), now() - interval '73 hours')`)
}

// expireKeys leaves a key that has expired to be reaped. Those of this run's orders stay, as evidence.
func expireKeys(t *testing.T, l *lane, service string) {
	t.Helper()
	l.exec(t, service, `INSERT INTO idempotency_key (scope, key, fingerprint, status, headers, body, expires_at)
		VALUES ('old', gen_random_uuid()::text, sha256('old'), 200, '{}', '', now() - interval '1 minute')`)
}

// askInVain has the gateway never answer what became of a charge.
func askInVain(t *testing.T, l *lane, _ string) {
	t.Helper()
	another(t, l, token("tok_error_always"))
}

// overdue makes an order that waits for the gateway, for seconds, miss its deadline.
func overdue(t *testing.T, l *lane, _ string) {
	t.Helper()
	kit.Eventually(t, "an order misses its deadline", func() error {
		late := another(t, l, token("tok_error_always"))
		if l.exec(t, "order", `UPDATE orders SET deadline = now() WHERE status = 'PENDING' AND id = '`+late+`'`) == 0 {
			return fmt.Errorf("%s has ended before its deadline could be moved", late)
		}
		return nil
	})
}

// captureLate has the gateway capture money for an order that was declined long ago.
func captureLate(t *testing.T, l *lane, _ string) {
	t.Helper()
	declined := l.Ends(t, another(t, l, token("tok_declined")))
	body := fmt.Sprintf(`{"merchant_reference":%q,"amount":%d,"currency":%q}`, declined.Id, declined.Total.Amount, declined.Total.Currency)
	kit.Eventually(t, "the gateway captures late", func() error {
		return post(t.Context(), l.At.Admin["gateway"]+"/captures", "", l.At.AdminToken, body)
	})
}

// publishPoison publishes, in the name of a service that this one consumes events of, what nobody can read.
func publishPoison(t *testing.T, l *lane, service string) {
	t.Helper()
	consumed := events.Subscriptions[events.Service(service)][0]
	l.publish(t, string(consumed.Service), consumed.SubjectOf(uuid.NewString()), "this is no event")
}

// sendKeyed sends a request of the service's own with an idempotency key, the same one until there is an answer.
func sendKeyed(t *testing.T, l *lane, service string) {
	t.Helper()
	key := uuid.NewString()
	url, body := l.At.URLs["inventory"]+"/v1/stock/gizmo/adjustments", `{"delta":1,"reason":"found in the corner"}`
	switch service {
	case "order":
		another(t, l, func(o *client.NewOrder) { o.Items[0].Sku = "gizmo" })
		return
	case "payment":
		url = l.At.URLs["payment"] + "/v1/charges"
		body = fmt.Sprintf(`{"reference":%q,"amount":100,"currency":"USD","payment_method":"tok_visa"}`, key)
	}
	kit.Eventually(t, "the request is answered", func() error { return post(t.Context(), url, key, "", body) })
}

// get asks for something that must be there.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return send(request)
}

// post sends a request that must be answered with success.
func post(ctx context.Context, url, key, token, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return send(request)
}

func send(request *http.Request) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(response.Body) // for the failure's message, as far as it goes
		return fmt.Errorf("%s answered %s: %s", request.URL, response.Status, answer)
	}
	return nil
}
