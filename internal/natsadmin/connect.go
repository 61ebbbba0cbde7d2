package natsadmin

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// Connect connects to the broker with a login of its own, and goes on connecting for ever: what is started first does
// not matter. The client's own defaults would give up after two minutes, and would publish later what the caller was
// answered had failed.
func Connect(url, login string, log *slog.Logger) (*nats.Conn, error) {
	nc, err := nats.Connect(url,
		nats.Name(login),
		nats.CustomInboxPrefix(InboxPrefix(login)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250*time.Millisecond), nats.Timeout(2*time.Second), nats.PingInterval(10*time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("broker reported an error", "error", err) // the only place where a refused request shows
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("broker disconnected", "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("broker reconnected") }))
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return nc, nil
}

// Close closes the connection and waits until what was still to be logged about it has been: the client calls the
// handlers of [Connect] in a goroutine of its own, which nothing else waits for.
func Close(nc *nats.Conn) {
	if nc.IsClosed() {
		return
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) }) // the last one that is called
	nc.Close()
	<-closed
}
