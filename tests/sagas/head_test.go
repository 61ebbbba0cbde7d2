package sagas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/apps/system/client"
	gateway "example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	notification "example.com/ordersaga/services/notification/api"
	order "example.com/ordersaga/services/order/api"
	payment "example.com/ordersaga/services/payment/api"
	shipping "example.com/ordersaga/services/shipping/api"
	"example.com/ordersaga/tests/kit"
)

// heads: HEAD is answered as GET is, with the same headers and without a body, by every process at every address: those of
// the contracts and those besides.
func heads(t *testing.T, w *system) {
	id := w.Place(t, client.One("gizmo", 1))
	w.Ends(t, id)
	w.AwaitState(t, "shipping", "shipment", id, "CREATED")
	addresses := w.addressesOfContracts(t, id)
	for process, url := range w.At.URLs {
		addresses = append(addresses, below(url, "/healthz", "/readyz", "/metrics", "/nothing")...)
		for _, extra := range map[string][]string{
			"order":      {"/orders", "/orders/" + id},
			"ambassador": {"/ledger", "/v1/charges?merchant_reference=order:" + id},
			"mail":       {"/messages"},
			"registry": {
				"/subjects", "/subjects/saga.order.OrderCreated.v1-value/versions", "/subjects/nothing/versions", "/schemas/types", "/schemas/ids/1", "/config",
				"/config/nothing",
			},
			"console": {
				"/", "/order", "/place", "/break", "/operate", "/simulator", "/versioning", "/assets/frame.js", "/api/flow", "/api/time", "/api/processes",
				"/api/simulator", "/api/simulator/orders/" + id + "/watch", "/api/operate/incidents", "/api/operate/dead-letters", "/api/operate/invariants",
				"/api/operate/lags", "/api/sagas/watch", "/api/sagas/" + id, "/api/sagas/" + id + "/parts", "/api/sagas/" + id + "/rows", "/api/break",
				"/api/break/watch", "/api/place", "/api/place/load/watch",
			},
		}[process] {
			addresses = append(addresses, url+extra)
		}
	}
	for process, url := range w.At.Admin {
		paths := map[string][]string{"ambassador": {"/metrics", "/breaker"}, "gateway": {"/faults"}}[process]
		if slices.Contains(events.Consumers, events.Service(process)) {
			paths = []string{
				"/incidents", "/incidents/nothing", "/dead-letters", "/struggling", "/rows?order=" + id, "/faults", "/faults/points", "/faults/fired",
				"/consumer", "/process",
			}
		}
		addresses = append(addresses, below(url, paths...)...)
	}
	seen := map[int]int{}
	for _, address := range addresses {
		kit.Eventually(t, "HEAD to be as GET at "+address, func() error { // what is counted there may change between the two
			status, header, _, err := w.asked(t.Context(), http.MethodGet, address)
			if err != nil {
				return err
			}
			headStatus, headHeader, body, err := w.asked(t.Context(), http.MethodHead, address)
			if err != nil || headStatus != status || !reflect.DeepEqual(headHeader, header) || body != 0 {
				return fmt.Errorf("GET %d %v, HEAD %d %v with %d bytes, %w", status, header, headStatus, headHeader, body, err)
			}
			seen[status]++
			return nil
		})
	}
	t.Logf("%d addresses: %v", len(addresses), seen)
	if seen[http.StatusOK] < 90 || seen[http.StatusMethodNotAllowed] > 0 {
		t.Errorf("%v are too few that answer", seen)
	}
}

func below(url string, paths ...string) (all []string) {
	for _, path := range paths {
		all = append(all, url+path)
	}
	return all
}

// addressesOfContracts are where something can be read by the contracts, with what is known about an order.
func (w *system) addressesOfContracts(t *testing.T, id string) (all []string) {
	t.Helper()
	parameters := strings.NewReplacer("{id}", id, "{order_id}", id, "{sku}", "gizmo", "{reference}", "nothing")
	for process, read := range map[string]func() (*openapi3.T, error){
		"order": order.GetSpec, "inventory": inventory.GetSpec, "payment": payment.GetSpec, "shipping": shipping.GetSpec,
		"notification": notification.GetSpec, "gateway": gateway.GetSpec,
	} {
		spec, err := read()
		kit.Must(t, err)
		for _, path := range slices.Sorted(maps.Keys(spec.Paths.Map())) {
			if spec.Paths.Value(path).Get != nil {
				all = append(all, w.At.URLs[process]+parameters.Replace(path))
			}
		}
	}
	return all
}

// asked is how something is answered, without what differs each time. Of a stream the first bytes are enough.
func (w *system) asked(ctx context.Context, method, address string) (status int, header http.Header, body int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+w.At.AdminToken)
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, 0, err
	}
	defer response.Body.Close()
	body, err = io.ReadAtLeast(response.Body, make([]byte, 1), 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	response.Header.Del("Date")
	if response.ContentLength == 0 { // of nothing, which HEAD may leave out (RFC 9110, 9.3.2)
		response.Header.Del("Content-Length")
	}
	return response.StatusCode, response.Header, body, err
}
