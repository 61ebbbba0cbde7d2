package sagas

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// TestLists_EachReachesTheOldest: sagactl lists what there is page by page, over all services, and leaves out nothing
// where a page ends, also when many have one time.
func TestLists_EachReachesTheOldest(t *testing.T) {
	t.Parallel()
	const each, orders = 230, 210
	w := open(t, supervisor.Options{})
	for _, service := range events.Consumers {
		w.asOwner(t, string(service), `
			INSERT INTO incident (id, order_id, kind, reason, opened_at)
			SELECT gen_random_uuid(), gen_random_uuid(), 'made', 'by a test', date_trunc('hour', now()) - n / 90 * interval '1 s'
			FROM generate_series(1, $1::int) n`, each)
		w.asOwner(t, string(service), `
			INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason, first_at)
			SELECT gen_random_uuid(), n, n, 'made', 'made', '', 'by a test', date_trunc('hour', now()) - n / 90 * interval '1 s'
			FROM generate_series(1, $1::int) n`, each)
	}
	wanted := client.One("unobtainium", 1)
	wanted.Email = "ada@customers.example"
	last := w.Place(t, wanted)
	var customers errgroup.Group
	customers.SetLimit(16)
	for range orders - 1 {
		customers.Go(func() error {
			_, err := w.TryPlace(t.Context(), client.One("widget", 1))
			return err
		})
	}
	kit.Must(t, customers.Wait())
	for _, list := range []struct {
		command        []string
		member, goesOn string
		limit, want    int
	}{
		{[]string{"incidents", "list"}, "incidents", "--after", 400, each * len(events.Consumers)},
		{[]string{"incidents", "list"}, "incidents", "--after", 0, each * len(events.Consumers)},
		{[]string{"incidents", "list", "shipping"}, "incidents", "--after", 100, each},
		{[]string{"dead-letters", "list"}, "dead_letters", "--after", 400, each * len(events.Consumers)},
		{[]string{"dead-letters", "list"}, "dead_letters", "--after", 0, each * len(events.Consumers)},
		{[]string{"dead-letters", "list", "--service", "notification"}, "dead_letters", "--after", each, each},
		{[]string{"order", "list"}, "orders", "--cursor", 70, orders},
		{[]string{"order", "list"}, "orders", "--cursor", 80, orders},
		{[]string{"order", "list"}, "orders", "--cursor", 205, orders},
		{[]string{"order", "list"}, "orders", "--cursor", 0, orders},
	} {
		pages, ids := w.walk(t, list.command, list.member, list.goesOn, list.limit)
		most := max(1, (list.want+max(list.limit, 1)-1)/max(list.limit, 1))
		if list.limit == 0 {
			most = 1
		}
		if pages != most || len(ids) != list.want || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != list.want {
			t.Errorf("%v with --limit %d: %d on %d pages, want each of %d once on %d", list.command, list.limit, len(ids), pages, list.want, most)
		}
	}
	w.AwaitMails(t, last, received, cancelled)
	var page struct {
		Mails []struct{ Kind string }
		Next  *string
	}
	kit.Must(t, json.Unmarshal(w.sagactl(t, "order", "mails", last, "-o", "json"), &page))
	if len(page.Mails) != 2 || page.Next != nil {
		t.Errorf("an order's mails are %+v", page)
	}
}

// walk follows a list to its end.
func (w *system) walk(t *testing.T, command []string, member, goesOn string, limit int) (pages int, ids []string) {
	t.Helper()
	for more := ""; pages < 100; {
		args := append(slices.Clone(command), "--limit", strconv.Itoa(limit), "-o", "json")
		if more != "" {
			args = append(args, goesOn, more)
		}
		var page map[string]json.RawMessage
		kit.Must(t, json.Unmarshal(w.sagactl(t, args...), &page))
		var items []struct{ ID uuid.UUID }
		kit.Must(t, json.Unmarshal(page[member], &items))
		for _, item := range items {
			ids = append(ids, item.ID.String())
		}
		var next *string
		kit.Must(t, json.Unmarshal(page["next"], &next))
		pages++
		if next == nil {
			return pages, ids
		}
		more = *next
	}
	t.Fatalf("%v has no end", command)
	return pages, ids
}
