package sagas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// goods are what is sold here: prices at the limits of what a card can be charged with, some of it out of stock.
var goods = []struct {
	sku      string
	amount   int64
	currency string
	stock    int64
}{
	{"widget", 0, "", 0}, {"unobtainium", 0, "", 0}, // these are sold from the beginning
	{"cent", 1, "USD", 1_000_000}, {"yen", 1, "JPY", 1_000_000}, {"palace", 100_000_000_000, "CHF", 3},
	{"villa", 100_000_000, "CHF", 1_000_000}, {"nowhere", 5, "EUR", 0},
}

// TestDoor_EveryOrderThatTheContractAllowsComesToAnEnd: orders are made from the schemas of the contract alone. Each is
// accepted and comes to its end, or refused and leaves nothing; no event of any becomes a dead letter.
func TestDoor_EveryOrderThatTheContractAllowsComesToAnEnd(t *testing.T) {
	t.Parallel()
	const orders = 150
	w := open(t, supervisor.Options{})
	w.sellGoods(t)
	spec, err := api.GetSpec()
	kit.Must(t, err)
	versions := []struct {
		path   string
		orders *rapid.Generator[any]
	}{
		{"/v1/orders", allowed("", spec.Components.Schemas["NewOrder"].Value)},
		{"/v2/orders", allowed("", spec.Components.Schemas["NewOrderV2"].Value)},
	}
	answered, ended := make([]int, orders), make([]string, orders)
	var customers errgroup.Group
	customers.SetLimit(16)
	for seed := range orders {
		version := versions[seed%len(versions)]
		body, err := json.Marshal(version.orders.Example(seed))
		kit.Must(t, err)
		customers.Go(func() (err error) {
			answered[seed], ended[seed], err = w.tryOrder(t.Context(), version.path, body)
			if err != nil {
				return fmt.Errorf("order %d, %s: %w", seed, body, err)
			}
			return nil
		})
	}
	if err := customers.Wait(); err != nil {
		t.Error(err)
	}
	seen := map[string]int{}
	for i := range answered {
		seen[fmt.Sprint(answered[i], " ", ended[i])]++
	}
	t.Log(seen)
	for _, want := range []string{"202 CONFIRMED", "202 CANCELLED", "422 "} {
		if seen[want] < orders/15 {
			t.Errorf("%d of %d orders were %q, so little was shown: %v", seen[want], orders, want, seen)
		}
	}
	accepted := seen["202 CONFIRMED"] + seen["202 CANCELLED"]
	if n := w.Count(t, "order", `SELECT count(*)::int FROM orders`); n != accepted {
		t.Errorf("%d orders are stored, %d were accepted", n, accepted)
	}
	for service := range w.At.Databases {
		if n := w.Count(t, service, `SELECT count(*)::int FROM dead_letter`); n != 0 {
			t.Errorf("%s has %d dead letters", service, n)
		}
	}
	w.Holds(t, w.Secrets()...)
}

// sellGoods enters prices and SKUs as their owners do, and the stock.
func (w *system) sellGoods(t *testing.T) {
	t.Helper()
	for _, g := range goods {
		if g.amount > 0 {
			w.asOwner(t, "order", `INSERT INTO price VALUES ($1, $2, $3)`, g.sku, g.amount, g.currency)
			w.asOwner(t, "inventory", `INSERT INTO stock (sku) VALUES ($1)`, g.sku)
		}
		if g.stock > 0 {
			_, err := w.Shop.SetStock(t.Context(), g.sku, g.stock, "opening")
			kit.Must(t, err)
		}
	}
}

// asOwner makes a statement that a service's own login may not make.
func (w *system) asOwner(t *testing.T, service, sql string, args ...any) {
	t.Helper()
	env, err := w.Environment(service)
	kit.Must(t, err)
	conn, err := pgx.Connect(t.Context(), env["MIGRATIONS_URL"])
	kit.Must(t, err)
	_, err = conn.Exec(t.Context(), sql, args...)
	kit.Must(t, errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))))
}

// tryOrder places an order as it stands, and follows it to its end.
func (w *system) tryOrder(ctx context.Context, path string, body []byte) (status int, end string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.At.URLs["order"]+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {uuid.NewString()}}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	var answer struct{ ID, Detail string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, "", fmt.Errorf("answered %s: %w", response.Status, err)
	}
	switch response.StatusCode {
	case http.StatusUnprocessableEntity: // refused on its merits; 400 would say that the contract does not allow it
		return response.StatusCode, "", nil
	case http.StatusAccepted:
		order, err := w.TryEnd(ctx, answer.ID)
		return response.StatusCode, string(order.Status), err
	}
	return 0, "", fmt.Errorf("answered %s: %s", response.Status, answer.Detail)
}

// preferred are values of a property that the pattern alone would never hit: what is sold, and cards with an account.
func preferred(property string) []any {
	switch property {
	case "sku":
		var skus []any
		for _, g := range goods {
			skus = append(skus, g.sku)
		}
		return skus
	case "payment_method":
		return []any{"tok_visa", "tok_visa", "tok_visa", "tok_declined", "tok_fraud", "tok_lost_response", "tok_" + strings.Repeat("a", 60)}
	case "country":
		return []any{"DE", "DE", "DE", "AQ"} // nobody delivers to the second one
	}
	return nil
}

// allowed are the values that a schema allows, its limits more often than chance would have them.
func allowed(property string, s *openapi3.Schema) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if liked := preferred(property); liked != nil && rapid.IntRange(0, 9).Draw(t, "liked") > 0 {
			return rapid.SampledFrom(liked).Draw(t, property)
		}
		switch {
		case s.Type.Is("object"):
			return object(t, s)
		case s.Type.Is("array"):
			least := int(s.MinItems)
			most := rapid.SampledFrom([]int{least, least, least, 3, int(*s.MaxItems)}).Draw(t, "most")
			return rapid.SliceOfN(allowed("", s.Items.Value), int(s.MinItems), most).Draw(t, property)
		case s.Type.Is("integer"):
			least, most := int64(*s.Min), int64(math.MaxInt64)
			if s.Max != nil {
				most = int64(*s.Max)
			}
			return rapid.OneOf(rapid.SampledFrom([]int64{least, most}), rapid.Int64Range(least, most)).Draw(t, property)
		case s.Type.Is("string") && s.Pattern != "" && s.MinLength <= 1:
			return text(t, property, s)
		}
		panic(fmt.Sprintf("no values are known for %q: teach this test %+v", property, s))
	})
}

// object has every member that is required, and of the others those that chance has. What the order costs no customer
// guesses, so that is seldom there.
func object(t *rapid.T, s *openapi3.Schema) map[string]any {
	made := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		rarity := 1
		if name == "expected_total" {
			rarity = 9
		}
		if slices.Contains(s.Required, name) || rapid.IntRange(0, rarity).Draw(t, name+" is there") == 0 {
			made[name] = allowed(name, s.Properties[name].Value).Draw(t, name)
		}
	}
	return made
}

// text matches the pattern. One in four is as long as is allowed: a pattern of one class of characters allows that.
func text(t *rapid.T, property string, s *openapi3.Schema) string {
	fits := func(v string) bool { return s.VisitJSONString(v) == nil }
	value := rapid.StringMatching(s.Pattern).Filter(fits).Draw(t, property)
	if s.MaxLength != nil && rapid.IntRange(0, 3).Draw(t, "long") == 0 {
		runes := []rune(strings.Repeat(value, int(*s.MaxLength)))
		if long := string(runes[:*s.MaxLength]); fits(long) {
			return long
		}
	}
	return value
}
