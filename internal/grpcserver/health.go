package grpcserver

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/pkg/problem"
)

// watchInterval is how often readiness is looked at for a client that watches: as often as an orchestrator probes.
const watchInterval = time.Second

// health answers whether the service can do its work, as /readyz does: the same for the server, whose name is empty,
// and for each service that it has.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	ready func(context.Context) error
	names []string
	ended <-chan struct{} // the server takes no new calls
}

func newHealth(ctx context.Context, ready func(context.Context) error, server *grpc.Server) health {
	names := append(slices.Collect(maps.Keys(server.GetServiceInfo())), "")
	return health{ready: ready, names: names, ended: ctx.Done()}
}

// Check asks now. A service that there is not is NOT_FOUND.
func (h health) Check(ctx context.Context,
	request *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if !slices.Contains(h.names, request.GetService()) {
		return nil, problem.New(http.StatusNotFound, "there is no such service")
	}
	return h.state(ctx), nil
}

// List asks now, and answers for every service.
func (h health) List(ctx context.Context,
	_ *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	all, state := map[string]*grpc_health_v1.HealthCheckResponse{}, h.state(ctx)
	for _, name := range h.names {
		all[name] = state
	}
	return &grpc_health_v1.HealthListResponse{Statuses: all}, nil
}

// Watch answers at once, and whenever it changes, until the client leaves or the server ends. A service that there is
// not is SERVICE_UNKNOWN, and the call goes on: the protocol wants that.
func (h health) Watch(request *grpc_health_v1.HealthCheckRequest,
	stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	sent := grpc_health_v1.HealthCheckResponse_UNKNOWN
	for more := true; more; more = loop.Rest(stream.Context(), watchInterval, h.ended) {
		state := h.state(stream.Context())
		if !slices.Contains(h.names, request.GetService()) {
			state.Status = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if state.GetStatus() != sent {
			if err := stream.Send(state); err != nil {
				return err
			}
			sent = state.GetStatus()
		}
		select {
		case <-h.ended:
			return nil
		default:
		}
	}
	return stream.Context().Err()
}

func (h health) state(ctx context.Context) *grpc_health_v1.HealthCheckResponse {
	state := grpc_health_v1.HealthCheckResponse_SERVING
	select {
	case <-h.ended:
		state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	default:
		if h.ready(ctx) != nil {
			state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
		}
	}
	return &grpc_health_v1.HealthCheckResponse{Status: state}
}
