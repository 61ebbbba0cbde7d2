// Package httpserver is what all HTTP processes have in common, the services and the programs around them:
// requests are validated, limits hold, health is reported, and a process starts and ends. It links no database
// and no broker.
package httpserver

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/internal/version"
	"example.com/ordersaga/pkg/problem"
)

// drainTime is how long requests and loops that have begun may take to finish when the process is asked to end.
const drainTime = 10 * time.Second

// Main is a process' main function: it runs until SIGINT or SIGTERM and exits with 0 after a clean end, with 1 and one
// line at level ERROR otherwise, in JSON as all that it logs. Called with the argument "healthcheck" it asks the
// running process whether it is ready and exits with the answer.
func Main(name string, run func(ctx context.Context, getenv func(string) string, log *slog.Logger) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := main(ctx, name, run)
	stop()
	if err != nil {
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Error("ended with an error", "service", name, "error", err)
		os.Exit(1)
	}
}

func main(ctx context.Context, name string, run func(context.Context, func(string) string, *slog.Logger) error) error {
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		return Healthcheck(ctx, os.Getenv("HTTP_ADDR"))
	}
	level := slog.LevelInfo
	if text := os.Getenv("LOG_LEVEL"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("LOG_LEVEL must be DEBUG, INFO, WARN or ERROR: %w", err)
		}
	}
	getenv, err := Secrets(os.Getenv)
	if err != nil {
		return err
	}
	lines := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	log := slog.New(tracing.Logs(lines)).With("service", name)
	slog.SetDefault(log) // what libraries write to the standard logger has the same form
	send, err := tracing.Start(ctx, name, getenv, log)
	if err != nil {
		return err
	}
	err = run(ctx, getenv, log)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	if failed := send(last); failed != nil {
		log.Debug("the last spans are lost", "error", failed)
	}
	return err
}

// sendTime is how long a process that ends waits for whoever takes its last spans.
const sendTime = time.Second

// Env is the variable's value, or the fallback where it is not set.
func Env(getenv func(string) string, key, fallback string) string {
	return cmp.Or(getenv(key), fallback)
}

// Duration reads a duration such as "15m" from the environment: the fallback where it is not set,
// an error that names the variable where it is not a positive duration.
func Duration(getenv func(string) string, key string, fallback time.Duration) (time.Duration, error) {
	value := getenv(key)
	if value == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s must be a positive duration such as 15m, not %q", key, value)
	}
	return d, nil
}

// Metrics is a registry that knows about the Go runtime, the process and its build already.
func Metrics() *prometheus.Registry {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.Collector())
	return metrics
}

// Server is a listener that is open, and what answers on it after [Server.Start] or [Serve].
type Server struct {
	Addr     string // the address that it really has
	listener net.Listener
	http     *http.Server
	start    sync.Once
	ended    chan error
}

// Listen opens a listener, with the limits of [New]; the handler bounds its own time.
func Listen(ctx context.Context, addr string, handler http.Handler) (*Server, error) {
	return ListenWithin(ctx, addr, handler, 0)
}

// ListenWithin is [Listen] with a limit for the time of an answer; 0: none.
func ListenWithin(ctx context.Context, addr string, handler http.Handler, answer time.Duration) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &Server{Addr: listener.Addr().String(), listener: listener, http: New(handler), ended: make(chan error, 1)}
	s.http.WriteTimeout = answer
	return s, nil
}

// Start answers from now on, before [Serve] does.
func (s *Server) Start() {
	s.start.Do(func() { go func() { s.ended <- s.http.Serve(s.listener) }() })
}

// New bounds everything that a client could otherwise take as long as it likes for, but not how long an answer
// takes: some handlers stream. HEAD is answered wherever GET is (RFC 9110, 9.3.2).
func New(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           tracing.Server(asGet(handler)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
}

// asGet shows HEAD as GET to a handler. The server keeps the request as it came, and sends no body.
func asGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		ctx, end := context.WithCancel(r.Context())
		defer end()
		get := r.WithContext(ctx)
		get.Method = http.MethodGet
		next.ServeHTTP(headWriter{w, end}, get)
	})
}

// headWriter ends a stream when its header is sent: nobody gets more of it.
type headWriter struct {
	http.ResponseWriter
	end context.CancelFunc
}

// FlushError sends the header.
func (w headWriter) FlushError() error {
	defer w.end()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap gives the writer beneath to http.ResponseController.
func (w headWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Serve answers on all servers and runs all loops until ctx ends. Then it drains: no new requests, and what has begun
// is finished, at most 10 s. An error of one part ends all.
func Serve(ctx context.Context, servers []*Server, loops ...func(context.Context) error) error {
	group, running := errgroup.WithContext(ctx)
	for _, server := range servers {
		server.Start()
		group.Go(func() error {
			if err := <-server.ended; !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", server.Addr, err)
			}
			return nil
		})
	}
	for _, loop := range loops {
		group.Go(func() error { return loop(running) })
	}
	<-running.Done()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	var err error
	for _, server := range servers {
		err = errors.Join(err, server.http.Shutdown(drain), server.http.Close())
	}
	return errors.Join(wait(drain, group), err)
}

// wait is the group's own error, or that it did not end in time.
func wait(ctx context.Context, group *errgroup.Group) error {
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("work was still going on after %v", drainTime)
	}
}

// Close closes servers, also those that were never served, without waiting for their requests.
func Close(servers ...*Server) {
	for _, server := range servers {
		_ = server.http.Close() // closes its listener once more; that it is closed already is no error here
		_ = server.listener.Close()
	}
}

// Authorized lets only those through who know the token.
func Authorized(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem.Write(w, r, problem.New(http.StatusUnauthorized, "the admin listener needs its token"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Healthcheck asks the process that listens on addr whether it is ready.
func Healthcheck(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}
