// Package grpcserver serves gRPC beside a service's HTTP API: the same answers in another form, for whoever asks much
// and often.
//
// It listens at GRPC_ADDR, and nowhere when that is empty. Every call has a deadline, a request is as small as over
// HTTP, and an error is the problem that HTTP would answer with, as a status with details.
package grpcserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"example.com/ordersaga/internal/httpserver"
)

const (
	// timeout is the longest that a call may take, also without a deadline of its own: as an HTTP answer.
	timeout = 30 * time.Second
	// drainTime is how long calls that have begun may take when the service ends.
	drainTime = 5 * time.Second
	// callsAtOnce bounds what one connection may ask at a time.
	callsAtOnce = 100
)

// Server is what is served.
type Server struct {
	Addr      string // GRPC_ADDR; empty: nothing is served
	Log       *slog.Logger
	Ready     func(context.Context) error // what the health service answers
	ToProblem func(error) error           // maps a service's errors to problems; nil: they are problems already
	Register  func(grpc.ServiceRegistrar)
}

// Run serves until ctx ends, then finishes what has begun.
func (s Server) Run(ctx context.Context) error {
	if s.Addr == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Addr, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is [Server.Run] on a listener that is open.
func (s Server) Serve(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(
		grpc.StatsHandler(otelgrpc.NewServerHandler()), // records nothing unless the process does
		grpc.UnaryInterceptor(s.answer),
		grpc.MaxRecvMsgSize(httpserver.MaxBody),
		grpc.MaxConcurrentStreams(callsAtOnce),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Minute}),
	)
	s.Register(server)
	reflection.Register(server)
	grpc_health_v1.RegisterHealthServer(server, newHealth(ctx, s.Ready, server))
	s.Log.InfoContext(ctx, "serving gRPC", "grpc_addr", listener.Addr().String())

	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("gRPC listener: %w", err)
	case <-ctx.Done():
	}
	late := time.AfterFunc(drainTime, server.Stop)
	defer late.Stop()
	server.GracefulStop()
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("gRPC listener: %w", err)
	}
	return nil
}

// answer gives a call its deadline, and its error the form of a status.
func (s Server) answer(ctx context.Context, request any, info *grpc.UnaryServerInfo,
	handle grpc.UnaryHandler) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := handle(ctx, request)
	if err == nil {
		return answer, nil
	}
	if s.ToProblem != nil {
		err = s.ToProblem(err)
	}
	return nil, s.status(ctx, info.FullMethod, err)
}
