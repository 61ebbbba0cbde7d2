package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/problem"
)

// drainTime is how long a service may take to finish what it has begun when it is asked to end.
const drainTime = 10 * time.Second

// Parts is what a service brings to be served.
type Parts struct {
	Outbox *messaging.Outbox
	HTTP   http.Handler                  // the public API
	Admin  func(chi.Router)              // more routes of the admin listener; optional
	Loops  []func(context.Context) error // run until ctx ends; see [Loop]
}

// Serve runs the service until ctx ends, then drains: no new requests, no new messages, what has begun
// is finished and acknowledged, at most 10 s. An error of one part ends all.
func (a *App) Serve(ctx context.Context, p Parts) error {
	api := http.NewServeMux()
	api.Handle("/metrics", promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{}))
	api.Handle("/", p.HTTP)

	registered, err := a.registerSchemas(ctx)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	group, running := errgroup.WithContext(ctx)
	if !registered {
		group.Go(func() error { return a.retrySchemas(running) })
	}
	admin, err := a.serveAdmin(running, group, p)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	group.Go(func() error { return p.Outbox.Run(running) })
	for _, loop := range p.Loops {
		group.Go(func() error { return loop(running) })
	}
	a.front.open(api, p.Outbox.Ready)
	a.Log.InfoContext(ctx, "serving", "addr", a.Addr, "admin_addr", a.AdminAddr)

	<-running.Done()
	a.front.waitFor(errors.New("shutting down"))
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = errors.Join(a.server.Shutdown(drain), admin.Shutdown(drain), wait(drain, group))
	a.Log.InfoContext(ctx, "ended")
	return errors.Join(err, a.Close())
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

// serveAdmin opens the admin listener, where one is configured: apart from the public API, behind a token.
func (a *App) serveAdmin(ctx context.Context, group *errgroup.Group, p Parts) (*http.Server, error) {
	router := chi.NewRouter()
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
	})
	if a.Faults != nil {
		router.Mount("/faults", failpoint.Handler(a.Faults))
		js, err := jetstream.New(a.NATS)
		if err != nil {
			return nil, fmt.Errorf("use JetStream: %w", err)
		}
		breaking{a.Service, js, time.Now()}.routes(router)
	}
	if p.Admin != nil {
		p.Admin(router)
	}
	server := newServer(traced(a.Log, httpserver.Authorized(a.AdminToken, router)))
	if a.AdminAddr == "" {
		return server, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.AdminAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a.AdminAddr, err)
	}
	a.AdminAddr = listener.Addr().String()
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("admin listener: %w", err)
		}
		return nil
	})
	return server, nil
}
