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
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	inventoryv1 "example.com/ordersaga/services/inventory/api/inventory/v1"
	order "example.com/ordersaga/services/order/api"
	orderv1 "example.com/ordersaga/services/order/api/order/v1"
)

// turnsOf are both sides of each work, beside each other. Every client reads the whole answer into its types.
func turnsOf(s endpoints.Description, addrs map[events.Service]string, orderID string) ([]*turn, error) {
	orderHTTP, orderWire := plainHTTP()
	orders, err := order.NewClientWithResponses(s.URLs["order"], order.WithHTTPClient(orderHTTP))
	if err != nil {
		return nil, err
	}
	stockHTTP, stockWire := plainHTTP()
	stock, err := inventory.NewClientWithResponses(s.URLs["inventory"], inventory.WithHTTPClient(stockHTTP))
	if err != nil {
		return nil, err
	}
	lookUp, lookUpWire, err := dial(addrs[events.Order])
	if err != nil {
		return nil, err
	}
	query, queryWire, err := dial(addrs[events.Inventory])
	if err != nil {
		return nil, err
	}
	return []*turn{
		newTurn("look an order up", "getOrder", rest, s.PIDs["order"], orderWire, func(ctx context.Context) error {
			answer, err := orders.GetOrderWithResponse(ctx, orderID)
			return right(err, err == nil && answer.JSON200 != nil && answer.JSON200.Id == orderID)
		}, orderHTTP.CloseIdleConnections),
		newTurn("look an order up", "getOrder", calls, s.PIDs["order"], lookUpWire, func(ctx context.Context) error {
			answer, err := orderv1.NewOrderServiceClient(lookUp).GetOrder(ctx, &orderv1.GetOrderRequest{Id: orderID})
			return right(err, answer.GetOrder().GetId() == orderID)
		}, func() { _ = lookUp.Close() }),
		newTurn("list the stock", "listStock", rest, s.PIDs["inventory"], stockWire, func(ctx context.Context) error {
			answer, err := stock.ListStockWithResponse(ctx)
			return right(err, err == nil && answer.JSON200 != nil && len(answer.JSON200.Stock) > 0)
		}, stockHTTP.CloseIdleConnections),
		newTurn("list the stock", "listStock", calls, s.PIDs["inventory"], queryWire, func(ctx context.Context) error {
			answer, err := inventoryv1.NewStockServiceClient(query).ListStock(ctx, &inventoryv1.ListStockRequest{})
			return right(err, len(answer.GetStock()) > 0)
		}, func() { _ = query.Close() }),
	}, nil
}

// right is an error where there was one, or where the answer was none.
func right(err error, answered bool) error {
	if err == nil && !answered {
		return errors.New("not what was asked for")
	}
	return err
}

// plainHTTP is a client that keeps its connections, and counts what goes over them.
func plainHTTP() (*http.Client, *wire) {
	w := &wire{}
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: 1024,
		DialContext:         func(ctx context.Context, _, address string) (net.Conn, error) { return w.dial(ctx, address) },
	}}, w
}

// dial is one connection, over which all calls go at the same time.
func dial(address string) (*grpc.ClientConn, *wire, error) {
	w := &wire{}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(w.dial))
	if err != nil {
		return nil, nil, fmt.Errorf("open gRPC at %s: %w", address, err)
	}
	return connection, w, nil
}
