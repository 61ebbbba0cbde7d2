package sagas

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// databaseLogins: what a service's login reaches is its own database, and there not everything.
func databaseLogins(t *testing.T, w *system) {
	const insufficientPrivilege = "42501"
	for _, service := range events.Consumers {
		for _, login := range []string{string(service), localservers.Owner(service)} {
			for _, other := range append([]events.Service{"postgres", "template1"}, events.Consumers...) {
				if other == service {
					continue
				}
				if code := w.refusal(t, login, string(other), "SELECT 1"); code != insufficientPrivilege {
					t.Errorf("%s in the database %s: code %q, want %s", login, other, code, insufficientPrivilege)
				}
			}
		}
		for _, sql := range []string{"DROP TABLE outbox_message", "TRUNCATE inbox", "CREATE TABLE mine (n int)", "CREATE ROLE mine"} {
			if code := w.refusal(t, string(service), string(service), sql); code != insufficientPrivilege {
				t.Errorf("%s: %s: code %q, want %s", service, sql, code, insufficientPrivilege)
			}
		}
		if code := w.refusal(t, localservers.Audit, string(service), "BEGIN READ WRITE; DELETE FROM outbox_message"); code != insufficientPrivilege {
			t.Errorf("audit deletes in %s: code %q", service, code)
		}
	}
	for service, ledger := range map[string]struct{ table, column string }{
		"payment": {"ledger_entry", "kind"}, "inventory": {"stock_adjustment", "reason"}, "order": {"order_history", "status"},
	} {
		for _, sql := range []string{"UPDATE " + ledger.table + " SET " + ledger.column + " = ''", "DELETE FROM " + ledger.table} {
			if code := w.refusal(t, service, service, sql); code != insufficientPrivilege {
				t.Errorf("%s: %s: code %q, want %s", service, sql, code, insufficientPrivilege)
			}
		}
	}
}

// refusal is the SQLSTATE with which a statement, or already the connection, is refused; empty: it is not.
func (w *system) refusal(t *testing.T, login, database, sql string) string {
	t.Helper()
	u, err := url.Parse(w.At.Databases["order"])
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(login, w.Secret(t, login)), "/"+database
	conn, err := pgx.Connect(t.Context(), u.String())
	if err == nil {
		_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// brokerLogins: nobody speaks in another's name, listens to what is not theirs, or changes the stream.
func brokerLogins(t *testing.T, w *system) {
	stream := func(api, rest string) string { return "$JS.API." + api + "." + events.Stream + rest }
	for _, user := range natsadmin.Logins() {
		speaks := []string{stream("STREAM.DELETE", ""), stream("STREAM.PURGE", ""), stream("STREAM.MSG.DELETE", ""), "$SYS.REQ.SERVER.PING"}
		if user != natsadmin.Provisioner {
			speaks = append(speaks, stream("STREAM.UPDATE", ""), stream("CONSUMER.CREATE", ".mine"), stream("CONSUMER.DURABLE.CREATE", ".mine"))
		}
		listens := []string{"_INBOX.>", ">", "$JS.>"}
		if user != natsadmin.Observer {
			listens = append(listens, "saga.>")
		}
		for _, service := range events.Consumers {
			if string(service) == user {
				continue
			}
			speaks = append(speaks, "saga."+string(service)+".OrderCreated.v2.1",
				stream("CONSUMER.MSG.NEXT", "."+string(service)), "$JS.ACK."+events.Stream+"."+string(service)+".1.1.1.1.0")
			listens = append(listens, natsadmin.InboxPrefix(string(service))+".>")
		}
		for _, subject := range speaks {
			w.forbidden(t, user, subject, func(c *nats.Conn) error { return c.Publish(subject, nil) })
		}
		for _, subject := range listens {
			w.forbidden(t, user, subject, func(c *nats.Conn) error { _, err := c.SubscribeSync(subject); return err })
		}
	}
}

// forbidden tries something with a login and wants the broker to refuse it.
func (w *system) forbidden(t *testing.T, user, subject string, try func(*nats.Conn) error) {
	t.Helper()
	u, err := url.Parse(w.At.NATS)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	conn, err := nats.Connect("nats://"+u.Host, nats.UserInfo(user, w.Secret(t, "nats_"+user)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := try(conn); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s on %s: %v", user, subject, err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s may use %s", user, subject)
	}
}
