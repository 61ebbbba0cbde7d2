package sagactl_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	notification "example.com/ordersaga/services/notification/api"
	order "example.com/ordersaga/services/order/api"
)

// theOrder is the one in the examples of the order contract.
const theOrder = "0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f"

func TestPacts_SagactlReads(t *testing.T) {
	t.Parallel()
	orders, err := order.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	stock, err := inventory.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	mails, err := notification.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	one, cancel, saga := "/v1/orders/"+theOrder, "/v1/orders/"+theOrder+"/cancel", "/v1/orders/"+theOrder+"/saga"
	cancelled := shows(t, orders, "cancelOrder", http.StatusAccepted)
	cancelled.Status = http.StatusOK // the same resource, read
	pacttest.Keep(t, "sagactl", map[string][]pact.Interaction{
		"order": join(
			reads(t, calls{"POST /v1/orders": like(t, orders, "placeOrder", 202, "an order is placed", "widgets are sold")}, "order", "place"),
			reads(t, calls{"GET " + one: with(cancelled, "an order is shown", "an order is cancelled")}, "order", "get", theOrder),
			reads(t, calls{"GET /v1/orders": like(t, orders, "listOrders", 200, "orders are listed", "there are two orders")}, "order", "list", "--limit", "1"),
			reads(t, calls{"POST " + cancel: like(t, orders, "cancelOrder", 202, "a cancel is asked for", "an order is pending")}, "order", "cancel", theOrder),
			reads(t, calls{"GET " + saga: sagaOf(t, orders)}, "order", "saga", theOrder),
		),
		"notification": reads(t, calls{
			"GET /v1/mails/" + theOrder: like(t, mails, "getMails", 200, "mails are shown", "an order has a mail without an answer"),
		}, "order", "mails", theOrder),
		"inventory": join(
			reads(t, calls{"GET /v1/stock": like(t, stock, "listStock", 200, "the stock is listed", "there is stock")}, "stock", "list"),
			reads(t, calls{
				"POST /v1/stock/widget/adjustments": like(t, stock, "adjustStock", 201, "the stock is adjusted", "there is stock"),
			}, "stock", "set", "widget", "7"),
		),
	})
}

type calls = map[string]pacttest.Call

func join(all ...[]pact.Interaction) (joined []pact.Interaction) {
	for _, some := range all {
		joined = append(joined, some...)
	}
	return joined
}

// reads is what a command sends, and what of the answers makes a difference to what it prints.
func reads(t *testing.T, calls calls, args ...string) []pact.Interaction {
	t.Helper()
	return pacttest.Calls(t, calls, func(url string) (string, error) {
		file := filepath.Join(t.TempDir(), "run.json")
		if err := (endpoints.Description{URLs: map[string]string{"order": url, "inventory": url, "notification": url}}).Write(file); err != nil {
			return "", err
		}
		got := run(t, nil, append(args, "--file", file)...)
		if got.code != 0 {
			return "", fmt.Errorf("sagactl %v: %s", args, got.err)
		}
		return strings.ReplaceAll(got.out, file, "run.json"), nil
	})
}

// like is a call whose answer is the example of the contract.
func like(t *testing.T, spec *openapi3.T, operation string, status int, description, state string) pacttest.Call {
	t.Helper()
	return with(shows(t, spec, operation, status), description, state)
}

func with(call pacttest.Call, description, state string) pacttest.Call {
	call.Description, call.State, call.Params = description, state, map[string]string{"order_id": theOrder}
	return call
}

// sagaOf is the example of a saga without its mails, which an order has only where it has an address for mails.
func sagaOf(t *testing.T, orders *openapi3.T) pacttest.Call {
	t.Helper()
	call := like(t, orders, "getSaga", http.StatusOK, "a saga is shown", "an order is being charged")
	saga, err := pact.Decode([]byte(call.Answer))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := json.Marshal(pact.Without(saga, "$.mails"))
	if err != nil {
		t.Fatal(err)
	}
	call.Answer = string(answer)
	return call
}

// shows is the example that a contract gives of an answer.
func shows(t *testing.T, spec *openapi3.T, operation string, status int) pacttest.Call {
	t.Helper()
	for _, path := range spec.Paths.Map() {
		for _, o := range path.Operations() {
			if !strings.EqualFold(o.OperationID, operation) { // the generator writes them as Go names
				continue
			}
			example, err := json.Marshal(o.Responses.Value(strconv.Itoa(status)).Value.Content["application/json"].Example)
			if err != nil {
				t.Fatal(err)
			}
			return pacttest.Call{Status: status, Answer: string(example)}
		}
	}
	t.Fatalf("there is no %s", operation)
	return pacttest.Call{}
}

func TestWhoBreaks_NamesTheConsumersAndTheFields(t *testing.T) {
	t.Parallel()
	schema, err := events.Schemas.ReadFile("schemas/PaymentRefunded.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "changed.json")
	for _, c := range []struct {
		old, changed string
		code         int
		want         []string
	}{
		{`"reason"`, `"reason"`, 0, []string{"nobody"}},
		{`"reason"`, `"why"`, 1, []string{"inventory", "timeline", "saga.payment.PaymentRefunded.v1", "reason", "the writer does not send it"}},
		{`"$id"`, `"id"`, 2, nil},
	} {
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(schema), c.old, c.changed)), 0o600); err != nil {
			t.Fatal(err)
		}
		got := run(t, nil, "contracts", "who-breaks", file)
		if got.code != c.code {
			t.Errorf("%s → %s ended with %d, want %d: %+v", c.old, c.changed, got.code, c.code, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got.out, want) {
				t.Errorf("%s → %s: %q is not in %s", c.old, c.changed, want, got.out)
			}
		}
	}
}
