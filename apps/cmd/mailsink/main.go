// Command mailsink is the mail server of the demo: it keeps every mail and lists them at /messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/apps/internal/mailsink"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("mailsink", run) }

// run serves SMTP on SMTP_ADDR and the list of messages on HTTP_ADDR until ctx ends.
func run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	sink := &mailsink.Sink{}
	mux := http.NewServeMux()
	metrics := httpserver.Metrics()
	metrics.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: "mailsink", Name: "messages", Help: "Messages that are kept."},
		func() float64 { return float64(len(sink.Messages(""))) }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /messages", sink)
	healthy := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /readyz", healthy)
	web, err := httpserver.Listen(ctx, httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), mux)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", httpserver.Env(getenv, "SMTP_ADDR", "127.0.0.1:0"))
	if err != nil {
		httpserver.Close(web)
		return fmt.Errorf("listen for mail: %w", err)
	}
	log.InfoContext(ctx, "serving", "addr", web.Addr, "smtp_addr", listener.Addr().String())
	mailServer := sink.Server()
	mailServer.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn) // its own writes plain text
	return httpserver.Serve(ctx, []*httpserver.Server{web}, func(ctx context.Context) error {
		context.AfterFunc(ctx, func() { _ = mailServer.Close() })
		if err := mailServer.Serve(listener); !errors.Is(err, smtp.ErrServerClosed) {
			return err
		}
		return nil
	})
}
