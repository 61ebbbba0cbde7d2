package gateway

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/contracts/pacttest"
)

func TestPacts_GatewayAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	target, err := url.Parse("http://" + g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	charge := func(token string) pacttest.State {
		return func(t *testing.T, examples map[string]string) map[string]string {
			t.Helper()
			made := g.client.must(t, http.MethodPost, "/v1/charges", uuid.NewString(), chargeBody(examples["reference"], 1999, token))
			return map[string]string{"charge_id": decode[api.Charge](t, made).Id}
		}
	}
	pacttest.Answers(t, "gateway", httputil.NewSingleHostReverseProxy(target), map[string]pacttest.State{
		"nothing is charged":  func(*testing.T, map[string]string) map[string]string { return nil },
		"an order is charged": charge("tok_visa"),
		"an order is charged, and a part given back": func(t *testing.T, examples map[string]string) map[string]string {
			t.Helper()
			made := charge("tok_visa")(t, examples)
			g.client.must(t, http.MethodPost, "/v1/refunds", uuid.NewString(), refundBody(made["charge_id"], 500))
			return made
		},
		"an order is charged to a card that takes nothing back": charge("tok_refund_refused"),
	})
}
