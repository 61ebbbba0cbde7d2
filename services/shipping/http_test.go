package shipping

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/openapitest"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/shipping/api"
)

// serve runs the API over a database and returns a client of it.
func serve(t *testing.T, pool *pgxpool.Pool) (*api.ClientWithResponses, string) {
	t.Helper()
	listener := httptest.NewServer(openapitest.Documented(t, api.GetSpec, routes(server{pool})))
	t.Cleanup(listener.Close)
	client, err := api.NewClientWithResponses(listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	return client, listener.URL
}

func TestAPI_TheContractIsValid(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestShipment_IsShown(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	shipped, refused, cancelled := newOrderID(t), newOrderID(t), newOrderID(t)
	if _, err := batch(t.Context(), pool, paidOrder(shipped, "GB"), paidOrder(refused, "AQ"), cancelOf(cancelled)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, orderID, want string
	}{
		{"what is on its way", shipped, `"shipment_id":"` + shipmentIn(t, pool, shipped).ShipmentID + `","state":"CREATED"`},
		{"what cannot be shipped", refused, `"order_id":"` + refused + `","reason":"destination_not_served: AQ","ship_to":{`},
		{"what was cancelled", cancelled, `"order_id":"` + cancelled + `","reason":"cancelled","state":"FENCED"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer, err := client.GetShipmentWithResponse(t.Context(), uuid.MustParse(c.orderID))
			if err != nil {
				t.Fatal(err)
			}
			if answer.JSON200 == nil || !strings.Contains(string(answer.Body), c.want) {
				t.Errorf("answered %s %s, want %s", answer.Status(), answer.Body, c.want)
			}
		})
	}
}

func TestAPI_BadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	_, url := serve(t, database(t).Pool)
	for _, c := range []struct {
		name, method, path string
		status             int
	}{
		{"an unknown order", "GET", "/v1/shipments/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", 404},
		{"an order id that is none", "GET", "/v1/shipments/42", 400},
		{"an unknown path", "GET", "/v1/shipments", 404},
		{"a wrong method", "POST", "/v1/shipments/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status || response.Header.Get("Content-Type") != problem.ContentType {
				t.Errorf("answered %s %s %s, want a problem with status %d", response.Status, response.Header.Get("Content-Type"), body, c.status)
			}
		})
	}
}

func TestAPI_ADatabaseThatIsAwayIsA503(t *testing.T) {
	t.Parallel()
	_, url := serve(t, testkit.NoDatabase(t))
	for _, r := range [][3]string{{"GET", "/v1/shipments/" + uuid.NewString(), ""}} {
		request, err := http.NewRequestWithContext(t.Context(), r[0], url+r[1], strings.NewReader(r[2]))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"k"}}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %d %v", r[0], r[1], answer.StatusCode, answer.Header)
		}
	}
}
