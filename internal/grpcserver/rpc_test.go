package grpcserver_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/ordersaga/internal/grpcserver"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
)

// echo is a service with one call, which does what the test wants.
type echo func(ctx context.Context) error

const call = "/echo.v1.EchoService/Echo"

func (e echo) register(r grpc.ServiceRegistrar) {
	handle := func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(&wrapperspb.StringValue{}); err != nil {
			return nil, err
		}
		return intercept(ctx, nil, &grpc.UnaryServerInfo{FullMethod: call}, func(ctx context.Context, _ any) (any, error) {
			return &emptypb.Empty{}, e(ctx)
		})
	}
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "echo.v1.EchoService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: handle}},
	}, e)
}

// serve serves an echo and returns a connection to it and a function that ends the server.
func serve(t *testing.T, e echo, ready func(context.Context) error) (*grpc.ClientConn, func() error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	s := grpcserver.Server{Log: slog.New(slog.DiscardHandler), Ready: ready, Register: e.register}
	go func() { ended <- s.Serve(ctx, listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); connection.Close() }) //nolint:errcheck // it was only used to ask
	return connection, func() error { cancel(); return <-ended }
}

func ask(ctx context.Context, connection *grpc.ClientConn, text string) error {
	return connection.Invoke(ctx, call, wrapperspb.String(text), &emptypb.Empty{})
}

// reasons are the codes as an ErrorInfo has them: UPPER_SNAKE_CASE.
var reasons = map[codes.Code]string{
	codes.NotFound: "NOT_FOUND", codes.InvalidArgument: "INVALID_ARGUMENT", codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Unavailable: "UNAVAILABLE", codes.Internal: "INTERNAL",
}

func TestServer_AnErrorIsTheProblemOfHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what    string
		err     error
		code    codes.Code
		message string
	}{
		{"nothing", problem.New(404, "there is no such order"), codes.NotFound, "there is no such order"},
		{"a bad request", problem.New(400, "no"), codes.InvalidArgument, "no"},
		{"a conflict", problem.New(409, "the order is CANCELLED already"), codes.FailedPrecondition, "the order is CANCELLED already"},
		{"not now", &problem.Error{Status: 503, Detail: "busy", RetryAfter: 5 * time.Second}, codes.Unavailable, "busy"},
		{"something of ours", errors.New("dial 10.0.0.7: secret"), codes.Internal, "the request could not be carried out; trying again is safe"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			connection, _ := serve(t, func(context.Context) error { return c.err }, nil)
			got := status.Convert(ask(t.Context(), connection, ""))
			if got.Code() != c.code || got.Message() != c.message {
				t.Fatalf("answered %s %q, want %s %q", got.Code(), got.Message(), c.code, c.message)
			}
			info, is := got.Details()[0].(*errdetails.ErrorInfo)
			if !is || info.GetReason() != reasons[c.code] || info.GetMetadata()["title"] == "" || info.GetMetadata()["detail"] != c.message {
				t.Errorf("the details %v are no problem", got.Details())
			}
			var busy *problem.Error
			if errors.As(c.err, &busy) && busy.RetryAfter > 0 {
				if retry, is := got.Details()[1].(*errdetails.RetryInfo); !is || retry.GetRetryDelay().AsDuration() != busy.RetryAfter {
					t.Errorf("the details %v do not say when to ask again", got.Details())
				}
			}
		})
	}
}

func TestServer_ACallAlwaysHasADeadline(t *testing.T) {
	t.Parallel()
	had := make(chan bool, 2)
	connection, _ := serve(t, func(ctx context.Context) error {
		deadline, has := ctx.Deadline()
		had <- has
		if has && time.Until(deadline) < 5*time.Second {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}, nil)
	if err := ask(t.Context(), connection, ""); err != nil || !<-had {
		t.Errorf("a call without a deadline was given none, or failed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got := status.Code(ask(ctx, connection, "")); got != codes.DeadlineExceeded {
		t.Errorf("a call whose time is over ended %s", got)
	}
	if !<-had {
		t.Error("the client's deadline did not reach the call")
	}
}

func TestServer_ARequestIsAsSmallAsOverHTTP(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	connection, _ := serve(t, func(context.Context) error { reached.Store(true); return nil }, nil)
	if got := status.Code(ask(t.Context(), connection, strings.Repeat("x", httpserver.MaxBody))); got != codes.ResourceExhausted || reached.Load() {
		t.Errorf("a request of more than %d bytes ended %s, reached: %v", httpserver.MaxBody, got, reached.Load())
	}
}

func TestServer_HealthIsReadiness(t *testing.T) {
	t.Parallel()
	var reason atomic.Pointer[error]
	reason.Store(new(error))
	connection, _ := serve(t, nil, func(context.Context) error { return *reason.Load() })
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{1, 2} {
		got, err := grpc_health_v1.NewHealthClient(connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || got.GetStatus() != want {
			t.Errorf("health is %s, %v; want %s", got.GetStatus(), err, want)
		}
		reason.Store(new(errors.New("the database is away")))
	}
}

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	noService  = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
)

func TestServer_HealthKnowsItsServices(t *testing.T) {
	t.Parallel()
	connection, _ := serve(t, nil, func(context.Context) error { return nil })
	client := grpc_health_v1.NewHealthClient(connection)
	for name, want := range map[string]codes.Code{"": codes.OK, "echo.v1.EchoService": codes.OK, "echo.v1.Nothing": codes.NotFound} {
		if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name}); status.Code(err) != want {
			t.Errorf("the check of %q ends %v, want %s", name, err, want)
		}
	}
	all, err := client.List(t.Context(), &grpc_health_v1.HealthListRequest{})
	for _, name := range []string{"", "echo.v1.EchoService"} {
		if err != nil || all.GetStatuses()[name].GetStatus() != serving {
			t.Errorf("%q is listed as %v, %v", name, all, err)
		}
	}
}

func TestServer_HealthCanBeWatched(t *testing.T) {
	t.Parallel()
	var reason atomic.Pointer[error]
	reason.Store(new(error))
	connection, end := serve(t, nil, func(context.Context) error { return *reason.Load() })
	watch := func(name string) func(grpc_health_v1.HealthCheckResponse_ServingStatus) {
		stream, err := grpc_health_v1.NewHealthClient(connection).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil {
			t.Fatal(err)
		}
		return func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
			t.Helper()
			if got, err := stream.Recv(); err != nil || got.GetStatus() != want {
				t.Fatalf("the health of %q is %s, %v; want %s", name, got.GetStatus(), err, want)
			}
		}
	}
	service, nothing := watch("echo.v1.EchoService"), watch("echo.v1.Nothing")
	service(serving)
	nothing(noService)
	reason.Store(new(errors.New("the database is away")))
	service(notServing)
	reason.Store(new(error))
	service(serving)
	if err := end(); err != nil { // without waiting for those who watch
		t.Errorf("the server ended with %v", err)
	}
	service(notServing)
}

func TestServer_CallsThatHaveBegunAreAnsweredAtTheEnd(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	connection, end := serve(t, func(context.Context) error { close(begun); <-goOn; return nil }, nil)
	answered := make(chan error, 1)
	go func() { answered <- ask(context.WithoutCancel(t.Context()), connection, "") }()
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	close(goOn)
	if err := <-answered; err != nil {
		t.Errorf("a call that had begun ended with %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestServer_ServesNothingWithoutAnAddress(t *testing.T) {
	t.Parallel()
	if err := (grpcserver.Server{}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := (grpcserver.Server{Addr: taken.Addr().String()}).Run(t.Context()); err == nil {
		t.Error("an address that is taken is no error")
	}
}
