package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Parts is what a service brings to be served.
type Parts struct {
	Outbox *messaging.Outbox
	HTTP   http.Handler                  // the public API
	Admin  func(chi.Router)              // more routes of the admin listener; optional
	Loops  []func(context.Context) error // run until ctx ends; see [Loop]
	// Restore makes an event true again that this service has published and its database has lost, where no other event
	// has caused it; optional. See package lostcommits.
	Restore func(ctx context.Context, tx pgx.Tx, e events.Envelope, event events.Event) error
}

// Serve runs the service until ctx ends, then drains as [httpserver.Serve] does: no new requests, no new messages, what
// has begun is finished and acknowledged, at most 10 s. An error of one part ends all.
func (a *App) Serve(ctx context.Context, p Parts) error {
	defer a.Close()
	registered, err := a.registerSchemas(ctx)
	if err != nil {
		return err
	}
	if err := a.meet(ctx, p); err != nil {
		return err
	}
	loops := append([]func(context.Context) error{a.exchange(p.Outbox), a.showEnd}, p.Loops...)
	if !registered {
		loops = append(loops, a.retrySchemas)
	}
	servers := []*httpserver.Server{a.server}
	if a.AdminAddr != "" {
		admin, err := a.listenAdmin(ctx, p)
		if err != nil {
			return err
		}
		servers = append(servers, admin)
	}
	api := http.NewServeMux()
	api.Handle("/metrics", promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	api.Handle("/", httpserver.Measured(a.Metrics, p.HTTP))
	a.front.open(api, p.Outbox.Ready)
	a.Log.InfoContext(ctx, "serving", "addr", a.Addr, "admin_addr", a.AdminAddr)
	err = httpserver.Serve(ctx, servers, loops...)
	a.Log.InfoContext(ctx, "ended")
	return err
}

// meetTime is how long a service waits for the broker before it takes requests without.
const meetTime = 2 * time.Second

// meet makes sure that the database has lost nothing before anything is answered, where the broker can tell.
func (a *App) meet(ctx context.Context, p Parts) error {
	a.front.waitFor(errors.New("finding out whether the database has lost commits"))
	rebuild := lostcommits.Rebuild{Service: a.Service, NATS: a.NATS, Outbox: p.Outbox, Restore: p.Restore, Log: a.Log}
	if err := a.Guard.Open(a.NATS, a.Pool, rebuild.Run); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	a.Guard.Meet(ctx) // exchange goes on with it
	return nil
}

// exchange consumes and publishes, once it is known that the database has lost nothing.
func (a *App) exchange(box *messaging.Outbox) func(context.Context) error {
	return func(ctx context.Context) error {
		a.Guard.Meet(ctx)
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return box.Run(ctx) })
		group.Go(func() error { return a.Guard.Run(ctx) })
		return group.Wait()
	}
}

// showEnd makes the service not ready once it ends, for requests on connections that are open.
func (a *App) showEnd(ctx context.Context) error {
	<-ctx.Done()
	a.front.waitFor(errors.New("shutting down"))
	return nil
}

// listenAdmin opens the admin listener: apart from the public API, behind a token.
func (a *App) listenAdmin(ctx context.Context, p Parts) (*httpserver.Server, error) {
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
	handler := traced(a.Log, httpserver.Authorized(a.AdminToken, router))
	admin, err := httpserver.ListenWithin(ctx, a.AdminAddr, handler, answerTime)
	if err != nil {
		return nil, err
	}
	a.AdminAddr = admin.Addr
	return admin, nil
}
