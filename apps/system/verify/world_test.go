package verify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// healthy is what a world is made from: a database of each service that holds two orders as they should be.
// A world has copies of its own of those that it changes.
type healthy map[events.Service]string // audit URLs

func newHealthy(t *testing.T) healthy {
	t.Helper()
	h := healthy{}
	for _, service := range events.Consumers {
		_, h[service] = newDatabase(t, service)
	}
	return h
}

// world is a system as verify sees it: the real tables, a ledger, a broker, and logs. Nothing runs in it, so
// a test can make it as wrong as it likes.
type world struct {
	t       *testing.T
	owners  map[events.Service]*pgx.Conn // of the databases that are its own
	broker  *testkit.NATS                // nil unless the world has messages
	system  endpoints.Description
	mu      sync.Mutex
	ledger  []entry
	made    time.Time // the first entry of the ledger; the others are a millisecond apart
	served  int       // how many entries all answers had
	onFetch func()    // runs when the ledger is asked for
}

type entry struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Reference string `json:"merchant_reference"`
	ChargeID  string `json:"charge_id,omitempty"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Status    string `json:"status"`
}

// The two orders of a healthy world.
const (
	sold     = "0193a000-0000-7000-8000-000000000001" // confirmed: two widgets for 39.98
	returned = "0193a000-0000-7000-8000-000000000002" // cancelled after a refund: one gadget for 49.50
	stranger = "0193a000-0000-7000-8000-000000000003" // nobody's order
)

// newWorld makes a healthy world, with a broker where messages matter.
func newWorld(t *testing.T, h healthy, messages bool) *world {
	t.Helper()
	w := &world{t: t, owners: map[events.Service]*pgx.Conn{}, made: time.Now().Add(-10 * time.Minute), ledger: []entry{
		{"ch_1", "charge", sold, "", 3998, "USD", "succeeded"},
		{"ch_2", "charge", returned, "", 4950, "USD", "succeeded"},
		{"re_2", "refund", returned, "ch_2", 4950, "USD", "succeeded"},
	}}
	gateway := httptest.NewServer(http.HandlerFunc(w.serveLedger))
	t.Cleanup(gateway.Close)
	w.system = endpoints.Description{
		URLs: map[string]string{endpoints.Gateway: gateway.URL}, NATS: "nats://nowhere",
		Databases: map[string]string{}, Logs: t.TempDir(), AdminToken: "s-the-admin-token-of-this-test",
	}
	for service, url := range h {
		w.system.Databases[string(service)] = url
	}
	if messages {
		w.broker = testkit.Broker(t)
		w.system.NATS = w.broker.URL(natsadmin.Observer)
		w.record(events.OrderCreated{Snapshot: events.Snapshot{OrderID: sold}})
		w.handle()
	}
	return w
}

// newDatabase makes a service's database, as it is in a healthy world.
func newDatabase(t *testing.T, service events.Service) (owner *pgx.Conn, auditURL string) {
	t.Helper()
	sets := []testkit.Migration{{Table: "goose_db_version", FS: os.DirFS("../../../services/" + string(service) + "/migrations")}}
	if service == events.Order {
		sets = append([]testkit.Migration{{Table: idempotency.Table, FS: idempotency.Migrations()}}, sets...)
	}
	db := testkit.Database(t, service, sets...)
	owner, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close(context.Background()) })
	fill(t, owner, service)
	return owner, db.AuditURL
}

func (w *world) serveLedger(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onFetch != nil {
		w.onFetch()
	}
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from := min(after, len(w.ledger))
	type dated struct {
		entry
		CreatedAt time.Time `json:"created_at"`
	}
	page := []dated{}
	for n, e := range w.ledger[from:min(from+limit, len(w.ledger))] {
		page = append(page, dated{e, w.made.Add(time.Duration(from+n) * time.Millisecond)})
	}
	w.served += len(page)
	_ = json.NewEncoder(rw).Encode(map[string]any{"entries": page})
}

// exec doctors a database, with the right to everything.
func (w *world) exec(service events.Service, sql string, args ...any) {
	w.t.Helper()
	if w.owners[service] == nil {
		w.owners[service], w.system.Databases[string(service)] = newDatabase(w.t, service)
	}
	exec(w.t, w.owners[service], sql, args...)
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if len(args) > 0 {
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return
	}
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil { // several statements
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill writes what a service knows about the two orders: one that succeeded, and one that was undone.
func fill(t *testing.T, conn *pgx.Conn, service events.Service) {
	t.Helper()
	exec(t, conn, map[events.Service]string{
		events.Order: addOrder(sold, "CONFIRMED", 3998, `[{"sku":"widget","quantity":2,"unit_price":1999}]`) +
			addOrder(returned, "CANCELLED", 4950, `[{"sku":"gadget","quantity":1,"unit_price":4950}]`),
		events.Inventory: `
			INSERT INTO reservation (order_id, state, lines, reason) VALUES
				('` + sold + `', 'SOLD', '[{"sku":"widget","quantity":2}]', NULL),
				('` + returned + `', 'RELEASED', '[{"sku":"gadget","quantity":1}]', 'not_served');
			UPDATE stock SET available = available - 2, sold = 2 WHERE sku = 'widget';` + received(events.OrderCreated{}),
		events.Payment: `
			INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, charge_id, refund_id, refund_amount, captured_amount, returned_amount) VALUES
				('` + sold + `', 'CAPTURED', 'charge:1', 3998, 'USD', 'tok_visa', 'ch_1', NULL, NULL, 3998, 0),
				('` + returned + `', 'REFUNDED', 'charge:2', 4950, 'USD', 'tok_visa', 'ch_2', 're_2', 4950, 4950, 4950);` +
			posting(sold, "ch_1", "charge", 3998) + posting(returned, "ch_2", "charge", 4950) + posting(returned, "re_2", "refund", -4950) +
			received(events.InventoryReserved{}),
		events.Shipping: `
			INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to) VALUES
				('` + sold + `', 'CREATED', 'shp_1', NULL, '{}'),
				('` + returned + `', 'FAILED', NULL, 'not_served', '{}');` + received(events.PaymentProcessed{}),
	}[service])
}

// addOrder is an order that has ended, with its history and the key that it was placed under.
func addOrder(id, status string, total int64, items string) string {
	shipment, reason := "NULL", "'not_served'"
	if status == "CONFIRMED" {
		shipment, reason = "'shp_1'", "NULL"
	}
	return fmt.Sprintf(`
		INSERT INTO orders (id, customer_id, status, reason, shipment_id, total_amount, currency, items, payment_method, ship_to, deadline)
		VALUES ('%[1]s', 'c', '%[2]s', %[3]s, %[4]s, %[5]d, 'USD', '%[6]s', 'tok_visa', '{}', now());
		INSERT INTO order_history (order_id, status) VALUES ('%[1]s', 'PENDING'), ('%[1]s', '%[2]s');
		INSERT INTO idempotency_key (scope, key, fingerprint, status, headers, body, expires_at)
		VALUES ('orders', 'key-%[1]s', decode(repeat('00', 32), 'hex'), 202, '{}', '{"id":"%[1]s"}', now() + interval '1 day');`,
		id, status, reason, shipment, total, items)
}

// posting is a movement of money as the payment service books it; what left the gateway is negative.
func posting(order, gatewayID, kind string, amount int64) string {
	return fmt.Sprintf(`
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT '%s'::uuid, account, %d * sign, 'USD', '%s', '%s', '%s' FROM (VALUES ('gateway', 1), ('customers', -1)) AS side (account, sign);`,
		uuid.NewString(), amount, order, gatewayID, kind)
}

// received is an event about each of the two orders in a service's inbox.
func received(event events.Event) string {
	return fmt.Sprintf(`INSERT INTO inbox (event_id, type, key)
		SELECT gen_random_uuid(), '%s', unnest(ARRAY['%s', '%s']::uuid[]);`, event.Type(), sold, returned)
}

// record puts an event into the order service's outbox and into the stream.
func (w *world) record(event events.Event) {
	w.t.Helper()
	id := w.publish(event)
	w.exec(event.Type().Service, `INSERT INTO outbox (id, key, type, subject, payload, published_at, stream_seq)
		VALUES ($1, $2, $3, 'saga', '', now(), 1)`, id, event.Order(), event.Type().String())
}

// publish puts an event into the stream, and into no outbox.
func (w *world) publish(event events.Event) (id string) {
	w.t.Helper()
	id = uuid.Must(uuid.NewV7()).String()
	w.publishAs(id, events.Cause{}, event)
	return id
}

func (w *world) publishAs(id string, cause events.Cause, event events.Event) {
	w.t.Helper()
	message, err := events.Encode(id, time.Now(), cause, event)
	if err != nil {
		w.t.Fatal(err)
	}
	js, err := w.broker.Connect(w.t, event.Type().Service).JetStream()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := js.Publish(event.Type().SubjectOf(event.Order()), message); err != nil {
		w.t.Fatal(err)
	}
}

// translate publishes an event as the translator does: made of another one, and in no outbox.
func (w *world) translate(event events.Event) {
	w.t.Helper()
	original := uuid.New()
	id := uuid.NewSHA1(original, []byte(event.Type().String())).String()
	w.publishAs(id, events.Cause{EventID: original.String()}, event)
	w.handle()
}

// handle acknowledges what waits for inventory.
func (w *world) handle() {
	w.t.Helper()
	for _, service := range []events.Service{events.Inventory, events.Notification} {
		w.handleAs(service)
	}
}

func (w *world) handleAs(service events.Service) {
	w.t.Helper()
	nc := w.broker.Connect(w.t, service)
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.SAGA."+string(service), inbox, []byte(`{"batch":100,"no_wait":true}`)); err != nil {
		w.t.Fatal(err)
	}
	for {
		msg, err := answers.NextMsg(5 * time.Second)
		if err != nil {
			w.t.Fatal(err)
		}
		if msg.Header.Get("Status") != "" {
			return
		}
		if err := msg.AckSync(nats.AckWait(5 * time.Second)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) log(text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.system.Logs, "payment.log"), []byte(text+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}
