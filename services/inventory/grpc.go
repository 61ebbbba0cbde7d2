package inventory

import (
	"context"
	"net/http"
	"regexp"

	"google.golang.org/grpc"

	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/inventory/api"
	inventoryv1 "example.com/ordersaga/services/inventory/api/inventory/v1"
)

// grpcServer is the stock query over gRPC: what [server] answers over HTTP, as messages.
type grpcServer struct {
	inventoryv1.UnimplementedStockServiceServer
	http server
}

// register is the API over gRPC.
func register(s server) func(grpc.ServiceRegistrar) {
	return func(r grpc.ServiceRegistrar) { inventoryv1.RegisterStockServiceServer(r, grpcServer{http: s}) }
}

// ListStock answers with every SKU.
func (g grpcServer) ListStock(ctx context.Context,
	_ *inventoryv1.ListStockRequest) (*inventoryv1.ListStockResponse, error) {
	answer, err := g.http.ListStock(ctx, api.ListStockRequestObject{})
	if err != nil {
		return nil, err
	}
	list := answer.(api.ListStock200JSONResponse).Stock
	response := &inventoryv1.ListStockResponse{Stock: make([]*inventoryv1.Stock, 0, len(list))}
	for _, level := range list {
		response.Stock = append(response.Stock, message(level))
	}
	return response, nil
}

// sku is the pattern of openapi.yaml, which checks it over HTTP. No other SKU could be stored.
var sku = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// GetStock answers for one SKU.
func (g grpcServer) GetStock(ctx context.Context,
	r *inventoryv1.GetStockRequest) (*inventoryv1.GetStockResponse, error) {
	if !sku.MatchString(r.GetSku()) {
		return nil, problem.New(http.StatusBadRequest, "sku is not what a SKU looks like")
	}
	answer, err := g.http.GetStock(ctx, api.GetStockRequestObject{Sku: r.GetSku()})
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetStockResponse{Stock: message(api.Stock(answer.(api.GetStock200JSONResponse)))}, nil
}

// message is the stock of one SKU as a gRPC message.
func message(s api.Stock) *inventoryv1.Stock {
	return &inventoryv1.Stock{Sku: s.Sku, Available: s.Available, Reserved: s.Reserved, Sold: s.Sold}
}
