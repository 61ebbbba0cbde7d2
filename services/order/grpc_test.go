package order

import (
	"context"
	"log/slog"
	"net"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
	orderv1 "example.com/ordersaga/services/order/api/order/v1"
	"example.com/ordersaga/services/order/sagaview"
)

// dial serves the look-up over a shop's database and returns a client of it.
func dial(t *testing.T, s *shop) orderv1.OrderServiceClient {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	over := grpcserver.Server{Log: slog.New(slog.DiscardHandler), ToProblem: toProblem, Register: register(server{db: s.pool, clients: sagaview.NewClients(sagaview.Addresses{}, sagaview.Timeout)})}
	go func() { ended <- over.Serve(ctx, listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connection.Close() //nolint:errcheck // it was only used to ask
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return orderv1.NewOrderServiceClient(connection)
}

// TestGRPC_AnOrderIsTheSameAsOverHTTP reads orders in every state over both, and compares every field.
func TestGRPC_AnOrderIsTheSameAsOverHTTP(t *testing.T) {
	t.Parallel()
	s := open(t)
	client := dial(t, s)
	about := func(id string) events.Subject { return events.Subject{OrderID: id} }
	list := orders(t, s.pool, 5, time.Hour)
	deliver(t, s.pool,
		shipment(list[1]),
		events.InventoryRejected{Subject: about(list[2]), Reason: "out_of_stock: widget"},
		events.IncidentOpened{Subject: about(list[3]), IncidentID: newID(t), Service: "payment", Kind: "refund_refused", Reason: "closed"})
	cancel(t, s.pool, list[4])
	seen := map[orderv1.Status]bool{}
	for _, id := range list {
		over, err := s.client.GetOrderWithResponse(t.Context(), id)
		if err != nil || over.JSON200 == nil {
			t.Fatalf("%v %s", err, over.Body)
		}
		answer, err := client.GetOrder(t.Context(), &orderv1.GetOrderRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := resourceOf(answer.GetOrder()), *over.JSON200; !reflect.DeepEqual(got, want) {
			t.Errorf("over gRPC %+v\nover HTTP %+v", got, want)
		}
		seen[answer.GetOrder().GetStatus()] = true
	}
	if len(seen) != len(orderv1.Status_name)-1 || seen[orderv1.Status_STATUS_UNSPECIFIED] {
		t.Errorf("of the states only %v were compared", seen)
	}
}

// resourceOf is what HTTP would answer, made of what gRPC answered.
func resourceOf(m *orderv1.Order) api.Order {
	to := m.GetShipTo()
	o := api.Order{
		Id: m.GetId(), CustomerId: m.GetCustomerId(), Status: api.Status(m.GetStatus().String()[len("STATUS_"):]), Reason: m.Reason,
		Total: api.Money{Amount: m.GetTotal().GetAmount(), Currency: m.GetTotal().GetCurrency()},
		ShipTo: api.Address{
			Name: to.GetName(), Street: to.GetStreet(), City: to.GetCity(), PostalCode: to.GetPostalCode(), Country: to.GetCountry(),
		},
		PaymentMethod: m.GetPaymentMethod(), ShipmentId: m.ShipmentId, ContactEmail: m.ContactEmail,
		CreatedAt: m.GetCreatedAt().AsTime(), UpdatedAt: m.GetUpdatedAt().AsTime(), Deadline: m.GetDeadline().AsTime(),
		Items: []api.Item{}, Incidents: []api.Incident{},
	}
	if at := m.GetCancelRequestedAt(); at != nil {
		o.CancelRequestedAt = new(at.AsTime())
	}
	for _, item := range m.GetItems() {
		o.Items = append(o.Items, api.Item{Sku: item.GetSku(), Quantity: int(item.GetQuantity()), UnitPrice: item.GetUnitPrice()})
	}
	for _, i := range m.GetIncidents() {
		o.Incidents = append(o.Incidents, api.Incident{
			Id: i.GetId(), Service: i.GetService(), Kind: i.GetKind(), Reason: i.GetReason(), OpenedAt: i.GetOpenedAt().AsTime(),
		})
	}
	return o
}

func TestGRPC_AnUnknownOrderIsNotFound(t *testing.T) {
	t.Parallel()
	client := dial(t, open(t))
	for what, id := range map[string]string{"an unknown one": newID(t), "none at all": "", "no UUID": "42", "NUL": "\x00"} {
		_, err := client.GetOrder(t.Context(), &orderv1.GetOrderRequest{Id: id})
		if got := status.Convert(err); got.Code() != codes.NotFound || got.Message() != "there is no such order" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestGRPC_AnOrderShowsWhatItWaitsFor compares the one field that only comes with time.
func TestGRPC_AnOrderShowsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	s := open(t)
	client := dial(t, s)
	id := order(t, s.pool, time.Hour)
	exec(t, s.pool, `UPDATE orders SET created_at = created_at - interval '1 minute'`)
	answer, err := client.GetOrder(t.Context(), &orderv1.GetOrderRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	if w := answer.GetOrder().GetWaitingFor(); w.GetService() != "inventory" || w.GetStep() != "reserve" || w.GetWhy() == "" || w.GetSince() == nil {
		t.Errorf("an order that waits shows %v", w)
	}
}
