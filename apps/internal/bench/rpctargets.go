package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	inventoryv1 "example.com/ordersaga/services/inventory/api/inventory/v1"
	order "example.com/ordersaga/services/order/api"
	orderv1 "example.com/ordersaga/services/order/api/order/v1"
)

// targetsOf are REST and gRPC of each operation, next to each other. Every client decodes the whole answer.
func targetsOf(s endpoints.Description, grpcAddrs map[events.Service]string, orderID string) ([]*target, error) {
	getOrder := target{work: "look an order up", operation: "getOrder", pid: s.PIDs["order"]}
	listStock := target{work: "list the stock", operation: "listStock", pid: s.PIDs["inventory"]}
	orderREST, orderClient := getOrder.overHTTP()
	orders, err := order.NewClientWithResponses(s.URLs["order"], order.WithHTTPClient(orderClient))
	if err != nil {
		return nil, err
	}
	orderREST.call = func(ctx context.Context) error {
		answer, err := orders.GetOrderWithResponse(ctx, orderID)
		return complete(err, err == nil && answer.JSON200 != nil && answer.JSON200.Id == orderID)
	}
	stockREST, stockClient := listStock.overHTTP()
	stock, err := inventory.NewClientWithResponses(s.URLs["inventory"], inventory.WithHTTPClient(stockClient))
	if err != nil {
		return nil, err
	}
	stockREST.call = func(ctx context.Context) error {
		answer, err := stock.ListStockWithResponse(ctx)
		return complete(err, err == nil && answer.JSON200 != nil && len(answer.JSON200.Stock) > 0)
	}
	orderGRPC, orderConn, err := getOrder.overGRPC(grpcAddrs[events.Order])
	if err != nil {
		return nil, err
	}
	orderGRPC.call = func(ctx context.Context) error {
		answer, err := orderv1.NewOrderServiceClient(orderConn).GetOrder(ctx, &orderv1.GetOrderRequest{Id: orderID})
		return complete(err, answer.GetOrder().GetId() == orderID)
	}
	stockGRPC, stockConn, err := listStock.overGRPC(grpcAddrs[events.Inventory])
	if err != nil {
		return nil, err
	}
	stockGRPC.call = func(ctx context.Context) error {
		answer, err := inventoryv1.NewStockServiceClient(stockConn).ListStock(ctx, &inventoryv1.ListStockRequest{})
		return complete(err, len(answer.GetStock()) > 0)
	}
	return []*target{orderREST, orderGRPC, stockREST, stockGRPC}, nil
}

// complete is an error where there was one, or where the answer lacks what was asked for.
func complete(err error, answered bool) error {
	if err == nil && !answered {
		return errors.New("not what was asked for")
	}
	return err
}

// overHTTP is the target over REST, with a client that keeps its connections.
func (t target) overHTTP() (*target, *http.Client) {
	t.side, t.latencies, t.traffic = rest, load.NewLatencies(), &traffic{}
	client := &http.Client{Timeout: orderLimit, Transport: &http.Transport{
		MaxIdleConnsPerHost: 1024, // no call waits for a connection
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return t.traffic.dial(ctx, address)
		},
	}}
	t.close = client.CloseIdleConnections
	return &t, client
}

// overGRPC is the target over gRPC, with one connection for all calls.
func (t target) overGRPC(address string) (*target, *grpc.ClientConn, error) {
	t.side, t.latencies, t.traffic = rpc, load.NewLatencies(), &traffic{}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(t.traffic.dial))
	if err != nil {
		return nil, nil, fmt.Errorf("open gRPC at %s: %w", address, err)
	}
	t.close = func() { _ = connection.Close() } // nothing is under way any more
	return &t, connection, nil
}
