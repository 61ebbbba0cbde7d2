package sagas

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// chargeID is where a schema says of what type a charge's id is.
var chargeID = regexp.MustCompile(`("charge_id":\s*\{\s*"type":\s*")string`)

// TestSchemaRegistry: services register what they send when they start. A registry that is away disturbs no saga and
// no start, and a service whose events would break their readers does not start.
func TestSchemaRegistry(t *testing.T) {
	t.Parallel()
	// Payment is told of the registry later: by then its subject has a version that it contradicts.
	w := open(t, supervisor.Options{Env: map[string]map[string]string{"payment": {"SCHEMA_REGISTRY_URL": ""}}})
	schemas := schemaregistry.Client{URL: w.At.URLs[supervisor.Registry]}
	registered := func(wanted events.Type) {
		t.Helper()
		kit.Eventually(t, wanted.String()+" to be registered", func() error {
			subjects, err := schemas.Subjects(t.Context())
			if err == nil && !slices.Contains(subjects, schemaregistry.Subject(wanted)) {
				err = fmt.Errorf("there are %v", subjects)
			}
			return err
		})
	}
	for _, service := range []events.Service{events.Order, events.Inventory, events.Shipping} {
		for _, typ := range events.Publications[service] {
			registered(typ)
		}
	}
	confirmed := func(when string) {
		t.Helper()
		if got := w.Ends(t, w.Place(t, client.One("widget", 1))); got.Status != order.CONFIRMED {
			t.Errorf("%s an order is %s", when, got.Status)
		}
	}

	kit.Must(t, w.Kill(supervisor.Registry, syscall.SIGKILL))
	confirmed("while the registry is killed")
	kit.Must(t, w.Down(t.Context(), supervisor.Registry))
	kit.Must(t, w.Restart(t.Context(), "shipping", nil))
	kit.Must(t, w.AwaitReady(t.Context(), "shipping"))
	confirmed("while the registry is down, and shipping has started without it,")
	kit.Must(t, w.Up(t.Context(), supervisor.Registry))
	kit.Must(t, w.AwaitReady(t.Context(), supervisor.Registry))

	typ := events.PaymentProcessed{}.Type()
	shared, err := schemas.Version(t.Context(), schemaregistry.Shared, "latest")
	kit.Must(t, err)
	earlier, err := schemaregistry.Of(typ, shared.Version)
	kit.Must(t, err)
	earlier.Text = chargeID.ReplaceAllString(earlier.Text, `${1}integer`)
	_, err = schemas.Register(t.Context(), schemaregistry.Subject(typ), earlier)
	kit.Must(t, err)
	w.asksForSchemas(t)
	err = w.Restart(t.Context(), "payment", map[string]string{"SCHEMA_REGISTRY_URL": schemas.URL})
	if err == nil {
		err = w.AwaitReady(t.Context(), "payment")
	}
	if err == nil {
		t.Error("payment has started with a schema that breaks its readers")
	}
	kit.Eventually(t, "payment to show why it does not start", func() error {
		text, err := os.ReadFile(filepath.Join(w.Dir, "logs", "payment.log"))
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last := lines[len(lines)-1]
		for _, want := range []string{"the schema of saga.payment.PaymentProcessed.v1 is refused", "/charge_id", "version 1", "it is read by shipping ("} {
			if !strings.Contains(last, want) {
				return fmt.Errorf("it says %s", last)
			}
		}
		return nil
	})
	kit.Eventually(t, "payment to start with its earlier environment", func() error {
		return w.Restart(t.Context(), "payment", map[string]string{"SCHEMA_REGISTRY_URL": ""})
	})
	confirmed("when payment has its earlier environment again")
	w.Holds(t, w.Secrets()...)
}

// asksForSchemas asks the registry on the command line; payment's subject contradicts what payment says.
func (w *system) asksForSchemas(t *testing.T) {
	t.Helper()
	ours := filepath.Join("..", "..", "pkg", "events", "schemas", "PaymentProcessed.v1.json")
	nonsense := filepath.Join(t.TempDir(), "nonsense.json")
	kit.Must(t, os.WriteFile(nonsense, []byte("hello"), 0o600))
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list"}, 0, "saga.order.OrderCreated.v2"},
		{[]string{"show", "saga.payment.PaymentProcessed.v1", "--version", "1"}, 0, "version 1"},
		{[]string{"show", "saga.order.OrderDreamtOf.v1"}, 1, "not found"},
		{[]string{"check", ours, "--subject", "saga.payment.PaymentProcessed.v1"}, 1, "/charge_id: it may be string, the reader takes integer"},
		{[]string{"register", ours, "--subject", "saga.payment.PaymentProcessed.v1"}, 1, "/charge_id"},
		{[]string{"register", ours, "--subject", "another"}, 0, "another version 1"},
		{[]string{"check", ours, "--subject", "another"}, 0, "compatible"},
		{[]string{"check", nonsense, "--subject", "another"}, 2, "is not JSON"},
		{[]string{"check", ours}, 2, "subject"},
		{[]string{"config", "another", "--set", "SOMETIMES"}, 1, "Invalid compatibility level"},
		{[]string{"config", "another", "--set", "BACKWARD"}, 0, "BACKWARD"},
		{[]string{"config"}, 0, "FULL_TRANSITIVE"},
	} {
		command := w.Sagactl(t.Context(), t, append([]string{"schemas"}, step.args...)...)
		output, _ := command.CombinedOutput() // the exit code is looked at
		code := command.ProcessState.ExitCode()
		if code != step.code || !strings.Contains(string(output), step.want) {
			t.Errorf("%v: exit code %d, want %d with %q:\n%s", step.args, code, step.code, step.want, string(output))
		}
	}
}
