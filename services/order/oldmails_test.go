package order

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/pkg/events"
)

const ada = "ada@customers.example"

// mailed places an order for somebody who wants mails.
func mailed(t *testing.T, pool *pgxpool.Pool, version eventVersion) string {
	t.Helper()
	command := twoWidgets
	command.Contact = ada
	one := request(t, newID(t), command)
	results, err := intake{tx: in(pool), deadline: time.Hour, version: version}.commit(t.Context(), []placement{one})
	if err != nil || results[0].err != nil {
		t.Fatal(err, results)
	}
	return one.id
}

// announced are the events about an order, with the address in each, in the order in which they were stored.
func announced(t *testing.T, pool *pgxpool.Pool, id string) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT split_part(type, '.', 3) || ' ' || split_part(type, '.', 4) || ' ' ||
		       coalesce(convert_from(payload, 'UTF8')::jsonb->'data'->>'contact_email', 'nobody')
		FROM outbox WHERE key = $1 ORDER BY position`, id)
}

func TestContact_StandsInTheEventsThatMailsFollowFrom(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	first, second, without := mailed(t, pool, 1), mailed(t, pool, 2), order(t, pool, time.Hour)
	same(t, "with an address", announced(t, pool, first), []string{"OrderCreated v1 " + ada})
	same(t, "in the second version", announced(t, pool, second), []string{"OrderCreated v2 " + ada})
	same(t, "without an address", announced(t, pool, without), []string{"OrderCreated v1 nobody"})
	var contacts []string
	for _, answer := range deliver(t, pool, rejected(first), rejected(first), shipment(second), rejected(without)) {
		if ended, is := answer.(events.OrderCancelled); is {
			contacts = append(contacts, ended.ContactEmail)
		}
	}
	same(t, "addresses of what was cancelled", contacts, []string{ada, ""})
	same(t, "mails that order writes", count(t, pool, `SELECT count(*) FROM mail`), 0)
}

// TestMail_WaitingAtTheUpgrade: what the release before this one has not sent is handed over once, by many processes.
func TestMail_WaitingAtTheUpgrade(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	leave := func(cancelled bool, rows string) string {
		t.Helper()
		id := order(t, pool, time.Hour) // its event has no address, as those of that release
		if cancelled {
			deliver(t, pool, rejected(id))
		}
		exec(t, pool, `UPDATE orders SET contact_email = '`+ada+`' WHERE id = '`+id+`'`)
		exec(t, pool, `INSERT INTO mail (order_id, kind, attempts, next_attempt_at, sent_at, refused_at)
			SELECT '`+id+`', kind, attempts, now() + wait::interval, sent, refused FROM (VALUES `+rows+`) AS row (kind, attempts, wait, sent, refused)`)
		return id
	}
	created, ended := "OrderCreated v1 ", "OrderCancelled v1 "
	want := map[string][]string{}
	for range 2 * oldMailsAtOnce {
		want[leave(false, `('received', 0, '0 s', NULL::timestamptz, NULL::timestamptz)`)] = []string{created + "nobody", created + ada}
	}
	// The cancel of an order is published already, and its receipt was never sent: the receipt comes first.
	want[leave(true, `('received', 3, '0 s', NULL::timestamptz, NULL::timestamptz), ('cancelled', 0, '0 s', NULL, NULL)`)] =
		[]string{created + "nobody", created + ada, ended + ada}
	want[leave(true, `('received', 1, '0 s', now(), NULL::timestamptz), ('cancelled', 0, '0 s', NULL, NULL)`)] =
		[]string{created + "nobody", ended + ada}
	want[leave(true, `('received', 1, '0 s', now(), NULL::timestamptz), ('cancelled', 1, '0 s', NULL, now())`)] =
		[]string{created + "nobody"}
	sending := leave(false, `('received', 1, '15 s', NULL::timestamptz, NULL::timestamptz)`)
	want[sending] = []string{created + "nobody"}

	handOver := func() {
		t.Helper()
		var processes errgroup.Group
		for range 4 {
			processes.Go(func() error { return oldMails{in(pool), 1}.runOnce(t.Context()) })
		}
		if err := processes.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		for id, events := range want {
			if got := announced(t, pool, id); !slices.Equal(got, events) {
				t.Errorf("about %s was published %q, want %q", id, got, events)
			}
		}
	}
	handOver()
	handOver()
	check()
	// A process of that release can still mark what it was sending, and claim nothing.
	const claim = `UPDATE mail SET attempts = attempts + 1, next_attempt_at = now() + interval '15 s'`
	same(t, "the answer to a claim", sqlState(t, pool, claim), permissionDenied)
	const mark = `UPDATE mail SET sent_at = now(), problem = NULL, next_attempt_at = now() WHERE sent_at IS NULL AND refused_at IS NULL AND order_id = '`
	same(t, "the answer to a mark", sqlState(t, pool, mark+sending+`'`), "")
	handOver()
	check()
	// One that has died leaves a lease that ends.
	died := leave(false, `('received', 1, '-1 s', NULL::timestamptz, NULL::timestamptz)`)
	want[died] = []string{created + "nobody", created + ada}
	handOver()
	check()
}

func TestOldMails_IsOfTheVersionThatIsPublished(t *testing.T) {
	t.Parallel()
	o := Order{Contact: ada}
	same(t, "the first", oldMails{version: 1}.event("received", o).Type(), events.OrderCreated{}.Type())
	same(t, "the second", oldMails{version: 2}.event("received", o).Type(), events.OrderCreatedV2{}.Type())
}
