// Package front gives each service one fixed address, however many containers of it run: Docker can publish a port
// for one container only. It forwards TCP connections to a name, and Docker's DNS resolves that to all containers.
package front

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/ordersaga/internal/httpserver"
)

// dialTimeout is how long a container may take to accept a connection; on the same machine it takes microseconds.
const dialTimeout = 2 * time.Second

// Run is the whole process: FORWARD lists what is forwarded, as "LISTEN=TARGET LISTEN=TARGET" with addresses such as
// ":8101=order-api:8080"; HTTP_ADDR answers about health. It ends with ctx.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	mux := http.NewServeMux()
	healthy := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /readyz", healthy)
	web, err := httpserver.Listen(ctx, httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), mux)
	if err != nil {
		return err
	}
	var loops []func(context.Context) error
	for pair := range strings.FieldsSeq(getenv("FORWARD")) {
		listen, target, ok := strings.Cut(pair, "=")
		if !ok {
			httpserver.Close(web)
			return fmt.Errorf("FORWARD must be a list such as :8101=order-api:8080, not %q", pair)
		}
		loops = append(loops, func(ctx context.Context) error { return Forward(ctx, listen, target, log) })
	}
	return httpserver.Serve(ctx, []*httpserver.Server{web}, loops...)
}

// Forward accepts connections on the address listen and forwards each to target, until ctx ends.
func Forward(ctx context.Context, listen, target string, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", listen, err)
		}
		go forward(ctx, client, target, log)
	}
}

// forward copies in both directions until both have ended. The dialer tries all addresses of the name in turn, so a
// container that is down costs nothing while another one is up.
func forward(ctx context.Context, client net.Conn, target string, log *slog.Logger) {
	defer client.Close()
	server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", target)
	if err != nil {
		log.WarnContext(ctx, "nobody answers", "target", target, "error", err)
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	var directions sync.WaitGroup
	directions.Go(func() { pipe(server, client) })
	directions.Go(func() { pipe(client, server) })
	directions.Wait()
}

// pipe copies until from has ended, and lets to see that end. The other direction may go on.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from) // an error ends the connection, which the two programs at its ends see
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
