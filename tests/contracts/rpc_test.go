package contracts

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rpcs are the services that answer over gRPC, too, and their contracts.
var rpcs = map[string]string{"order": "order/v1/order.proto", "inventory": "inventory/v1/stock.proto"}

func apiOf(service string) string { return filepath.Join("../../services", service, "api") }

// buf asks buf about a contract; empty: it has no objection.
func buf(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	program, err := filepath.Abs("../../.bin/buf")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(ctx, program, args...).CombinedOutput() //nolint:gosec // a program of ours
	var exit *exec.ExitError
	switch {
	case errors.Is(err, os.ErrNotExist):
		t.Fatal("there is no buf: make tools installs it")
	case errors.As(err, &exit) && exit.ExitCode() == 100: // it found something
		return string(output)
	case err != nil:
		t.Fatalf("buf %v: %v: %s", args, err, output)
	}
	return ""
}

func TestRPC_IsWellFormedAndBreaksNoClient(t *testing.T) {
	t.Parallel()
	for service := range rpcs {
		if reasons := buf(t.Context(), t, "lint", apiOf(service)); reasons != "" {
			t.Errorf("%s: %s", service, reasons)
		}
		if reasons := buf(t.Context(), t, "breaking", apiOf(service), "--against", filepath.Join("../../contracts/released", service)); reasons != "" {
			t.Errorf("%s: this is a new version beside the old one, not a change of it:\n%s", service, reasons)
		}
	}
}

// TestGate_RefusesAnRPCThatBreaksItsClients prints what it refuses, and why.
func TestGate_RefusesAnRPCThatBreaksItsClients(t *testing.T) {
	t.Parallel()
	for _, change := range []struct {
		what, old, changed string
		breaks             bool
	}{
		{"an amount becomes text", "  int64 amount = 1;", "  string amount = 1;", true},
		{"a field has another number", "  Money total = 5;", "  Money total = 17;", true},
		{"a call is taken away", "  rpc GetOrder(GetOrderRequest) returns (GetOrderResponse);", "", true},
		{"an answer has a field more", "  // What it costs.\n", "  // The parcel's number.\n  string parcel = 17;\n  // What it costs.\n", false},
	} {
		module := t.TempDir()
		if err := os.CopyFS(module, os.DirFS(filepath.Join("../../contracts/released", "order"))); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(module, rpcs["order"])
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		after := strings.Replace(string(before), change.old, change.changed, 1)
		if after == string(before) {
			t.Fatalf("the released contract does not have %q any more", change.old)
		}
		if err := os.WriteFile(file, []byte(after), 0o600); err != nil { //nolint:gosec // a file of the test's own
			t.Fatal(err)
		}
		reasons := buf(t.Context(), t, "breaking", module, "--against", filepath.Join("../../contracts/released", "order"))
		switch {
		case change.breaks && reasons == "":
			t.Errorf("accepted: %s", change.what)
		case !change.breaks && reasons != "":
			t.Errorf("refused: %s\n%s", change.what, reasons)
		case change.breaks:
			t.Logf("refused: %s\n%s", change.what, strings.TrimSpace(strings.ReplaceAll(reasons, file, rpcs["order"])))
		default:
			t.Logf("accepted: %s", change.what)
		}
	}
}
