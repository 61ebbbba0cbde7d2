package order

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/ordersaga/services/order/api"
	orderv1 "example.com/ordersaga/services/order/api/order/v1"
)

// grpcServer answers over gRPC what [server] answers over HTTP.
type grpcServer struct {
	orderv1.UnimplementedOrderServiceServer
	http server
}

// register is the API over gRPC.
func register(s server) func(grpc.ServiceRegistrar) {
	return func(r grpc.ServiceRegistrar) { orderv1.RegisterOrderServiceServer(r, grpcServer{http: s}) }
}

// GetOrder answers with the order as it is now.
func (g grpcServer) GetOrder(ctx context.Context, r *orderv1.GetOrderRequest) (*orderv1.GetOrderResponse, error) {
	answer, err := g.http.GetOrder(ctx, api.GetOrderRequestObject{Id: r.GetId()})
	if err != nil {
		return nil, err
	}
	return &orderv1.GetOrderResponse{Order: message(api.Order(answer.(api.GetOrder200JSONResponse)))}, nil
}

// message is an order as a gRPC message.
func message(o api.Order) *orderv1.Order {
	to := o.ShipTo
	m := &orderv1.Order{
		Id: o.Id, CustomerId: o.CustomerId, Status: orderv1.Status(orderv1.Status_value["STATUS_"+string(o.Status)]),
		Reason: o.Reason,
		Total:  &orderv1.Money{Amount: o.Total.Amount, Currency: o.Total.Currency},
		ShipTo: &orderv1.Address{Name: to.Name, Street: to.Street, City: to.City, PostalCode: to.PostalCode,
			Country: to.Country},
		PaymentMethod: o.PaymentMethod, ShipmentId: o.ShipmentId, ContactEmail: o.ContactEmail,
		CreatedAt: timestamppb.New(o.CreatedAt), UpdatedAt: timestamppb.New(o.UpdatedAt),
		Deadline:          timestamppb.New(o.Deadline),
		CancelRequestedAt: moment(o.CancelRequestedAt),
	}
	for _, item := range o.Items {
		m.Items = append(m.Items, &orderv1.Item{Sku: item.Sku, Quantity: int64(item.Quantity), UnitPrice: item.UnitPrice})
	}
	for _, i := range o.Incidents {
		m.Incidents = append(m.Incidents, &orderv1.Incident{
			Id: i.Id, Service: i.Service, Kind: i.Kind, Reason: i.Reason, OpenedAt: timestamppb.New(i.OpenedAt),
			ResolvedAt: moment(i.ResolvedAt),
		})
	}
	if w := o.WaitingFor; w != nil {
		m.WaitingFor = &orderv1.Waiting{
			Step: w.Step, Service: w.Service, Since: timestamppb.New(w.Since), Attempts: int64(w.Attempts), Why: w.Why,
		}
	}
	return m
}

func moment(at *time.Time) *timestamppb.Timestamp {
	if at == nil {
		return nil
	}
	return timestamppb.New(*at)
}
