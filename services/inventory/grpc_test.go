package inventory

import (
	"context"
	"log/slog"
	"math"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/pkg/idempotency"
	inventoryv1 "example.com/ordersaga/services/inventory/api/inventory/v1"
)

// dial serves the stock query over a database and returns a client of it.
func dial(t *testing.T, pool *pgxpool.Pool) inventoryv1.StockServiceClient {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	over := grpcserver.Server{Log: slog.New(slog.DiscardHandler), Register: register(server{pool, idempotency.Once{}})}
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
	return inventoryv1.NewStockServiceClient(connection)
}

func TestGRPC_TheStockIsTheSameAsOverHTTP(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	if _, err := pool.Exec(t.Context(), `UPDATE stock SET sold = $1 WHERE sku = 'gizmo'`, int64(math.MaxInt64)); err != nil {
		t.Fatal(err)
	}
	overHTTP, _ := serve(t, pool)
	want, err := overHTTP.ListStockWithResponse(t.Context())
	if err != nil || want.JSON200 == nil {
		t.Fatalf("%v %s", err, want.Body)
	}
	client := dial(t, pool)
	got, err := client.ListStock(t.Context(), &inventoryv1.ListStockRequest{})
	if err != nil || len(got.GetStock()) != len(want.JSON200.Stock) {
		t.Fatalf("%d SKUs, %v; want %d", len(got.GetStock()), err, len(want.JSON200.Stock))
	}
	for i, level := range got.GetStock() {
		w := want.JSON200.Stock[i]
		one, err := client.GetStock(t.Context(), &inventoryv1.GetStockRequest{Sku: w.Sku})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []*inventoryv1.Stock{level, one.GetStock()} {
			if g.GetSku() != w.Sku || g.GetAvailable() != w.Available || g.GetReserved() != w.Reserved || g.GetSold() != w.Sold {
				t.Errorf("over gRPC %v, over HTTP %+v", g, w)
			}
		}
	}
}

func TestGRPC_AnUnknownSKUIsNotFound(t *testing.T) {
	t.Parallel()
	client := dial(t, database(t).Pool)
	for sku, want := range map[string]codes.Code{"sprocket": codes.NotFound, "": codes.InvalidArgument, "Big Widget": codes.InvalidArgument, "a\x00": codes.InvalidArgument} {
		if _, err := client.GetStock(t.Context(), &inventoryv1.GetStockRequest{Sku: sku}); status.Code(err) != want {
			t.Errorf("%q: %v, want %s", sku, err, want)
		}
	}
}
