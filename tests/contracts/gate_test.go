package contracts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// released is the contract as it was last released; make release-contracts moves it.
func released(name string) string {
	return filepath.Join("../../contracts/released", name, "openapi.yaml")
}

// breaking asks oasdiff what would break clients of a released contract; empty: nothing.
func breaking(ctx context.Context, t *testing.T, from, to string) string {
	t.Helper()
	program, err := filepath.Abs("../../.bin/oasdiff")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(ctx, program, "breaking", from, to, "--fail-on", "ERR", "--color", "never").CombinedOutput() //nolint:gosec // a program of ours
	var exit *exec.ExitError
	switch {
	case errors.Is(err, os.ErrNotExist):
		t.Fatal("there is no oasdiff: make tools installs it")
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return string(output)
	case err != nil:
		t.Fatalf("oasdiff: %v: %s", err, output)
	}
	return ""
}

func TestGate_NoContractBreaksClientsOfTheReleasedOne(t *testing.T) {
	t.Parallel()
	files := map[string]string{"../../contracts/released/order/negotiated.yaml": filepath.Join(apiOf("order"), "negotiated.yaml")}
	for name, contract := range openAPIs {
		files[released(name)] = contract.file
	}
	for before, now := range files {
		if reasons := breaking(t.Context(), t, before, now); reasons != "" {
			t.Errorf("%s: this is a new major version beside the old one, not a change of it:\n%s", now, reasons)
		}
	}
}

func TestGate_NoPromiseIsWeakerThanTheReleasedOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		now := unwrittenOf(t, document)
		for _, before := range unwrittenOf(t, read(t, released(name))).Quality {
			if !now.keeps(before) {
				t.Errorf("%+v was promised, and is no more", before)
			}
		}
	})
}

// keeps is whether a promise is still given, the same or a stronger one.
func (u unwritten) keeps(before promise) bool {
	for _, now := range u.Quality {
		if now.Operation != before.Operation || now.Measure != before.Measure || now.While != before.While {
			continue
		}
		switch {
		case before.AtMost != nil:
			return now.AtMost != nil && *now.AtMost <= *before.AtMost
		case before.AtLeast != nil:
			return now.AtLeast != nil && *now.AtLeast >= *before.AtLeast
		}
	}
	return false
}

// changes are made to the released contract of the orders.
var changes = []struct {
	what    string
	old     string
	changed string
	breaks  bool
}{
	{"an operation moves elsewhere", "  /v1/orders/{id}/saga:", "  /v1/sagas/{id}:", true},
	{"an answer may lack a field that it had", "required: [id, customer_id, status, total,", "required: [id, customer_id, status,", true},
	{"a field of an answer has another type", "amount: {type: integer, format: int64}\n        currency: {type: string}", "amount: {type: string}\n        currency: {type: string}", true},
	{"a request needs a field more", "required: [customer_id, items, payment_method, ship_to]", "required: [customer_id, items, payment_method, ship_to, expected_total]", true},
	{"a request may say less", "maximum: 1000}", "maximum: 10}", true},
	{"a parameter takes fewer values", "maximum: 200, default: 50", "maximum: 100, default: 50", true},
	{"a request may say more", "maximum: 1000}", "maximum: 5000}", false},
	{"an answer has a field more", "        shipment_id: {type: string,", "        parcel: {type: string}\n        shipment_id: {type: string,", false},
	{"a request may have a field more", "        expected_total: {$ref", "        gift_wrap: {type: boolean}\n        expected_total: {$ref", false},
	{"a sentence is put better", "summary: Place an order", "summary: Order something", false},
}

// TestGate_RefusesAnAPIThatBreaksItsClients prints what it refuses, and why.
func TestGate_RefusesAnAPIThatBreaksItsClients(t *testing.T) {
	t.Parallel()
	before, err := os.ReadFile(released("order"))
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range changes {
		after := strings.Replace(string(before), change.old, change.changed, 1)
		if after == string(before) {
			t.Fatalf("%s: the released contract does not have %q any more", change.what, change.old)
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(file, []byte(after), 0o600); err != nil {
			t.Fatal(err)
		}
		reasons := breaking(t.Context(), t, released("order"), file)
		switch {
		case change.breaks && reasons == "":
			t.Errorf("accepted: %s", change.what)
		case !change.breaks && reasons != "":
			t.Errorf("refused: %s\n%s", change.what, reasons)
		case change.breaks:
			t.Logf("refused: %s\n%s", change.what, strings.TrimSpace(strings.ReplaceAll(reasons, file, "the changed contract")))
		default:
			t.Logf("accepted: %s", change.what)
		}
	}
}

// read reads a YAML document.
func read(t *testing.T, file string) (document object) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	return document
}
