// Package uniformity compares the services: know one, know all.
package uniformity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

const services = "../../services"

// common is what every service has, and what must be found in it. A star stands for the service's name.
var common = map[string]string{
	"service.go":         "Run",      // wiring
	"domain.go":          "",         // decides
	"saga.go":            "handlers", // its part in the saga
	"store.go":           "",         // SQL
	"http.go":            "routes",   // the API
	"rows.go":            "",         // what is shown of an order
	"domain_test.go":     "",
	"saga_test.go":       "",
	"store_test.go":      "",
	"http_test.go":       "",
	"contract_test.go":   "", // what it reads of others, and others of it
	"main_test.go":       "TestMain",
	"migrations_test.go": "",
	"cmd/*/main.go":      "main",
	"api/openapi.yaml":   "",
	"api/config.yaml":    "",
	"api/generate.go":    "",
	"api/api.gen.go":     "",
	"go.mod":             "",
	"go.sum":             "",
}

// subjects are the files that a service has for a subject of its own. Each may have a test beside it.
var subjects = map[events.Service][]string{
	events.Order: {
		"batch_test.go",            // what several events become in one call of a step
		"growth_test.go",           // what is touched behind many rows that have ended
		"intake.go",                // requests that are committed together
		"store_query.go",           // reading orders back, page by page
		"view.go",                  // an order as the API shows it
		"v2.go",                    // and as its second version does
		"apiversion/apiversion.go", // which of them a request is in
		"apiversion/negotiate.go",
		"api/negotiated.yaml",
		"sagaview/clients.go",  // what the other services answer about an order
		"sagaview/progress.go", // what that adds up to
		"sagaview/view.go",     // as the API shows it
		"sweeper.go",           // deadlines
		"sagaview_test.go",     // the view over HTTP, with the other services answering
		"versions_test.go",     // and what a client gets in each version
		"restore.go",           // what the database has lost and the stream has
		"oldmails.go",          // mails that the release before had not sent
		"grpc.go",              // the same answers over gRPC
		"api/buf.yaml",
		"api/buf.gen.yaml",
		"api/order/v1/order.proto",
		"api/order/v1/order.pb.go",
		"api/order/v1/order_grpc.pb.go",
	},
	events.Shipping: {
		"batch_test.go", // what several events become in one call of a step
	},
	events.Notification: {
		"growth_test.go",  // what is touched behind many mails that have left
		"smtp.go",         // the mail server's client
		"sending.go",      // mails are claimed, sent, marked
		"postbox_test.go", // the mail server that the tests run
	},
	events.Inventory: {
		"batch_test.go",  // what several events become in one call of a step
		"growth_test.go", // what is touched behind many rows that have ended
		"sweeper.go",     // stock that is held for too long
		"grpc.go",        // the same answers over gRPC
		"api/buf.yaml",
		"api/buf.gen.yaml",
		"api/inventory/v1/stock.proto",
		"api/inventory/v1/stock.pb.go",
		"api/inventory/v1/stock_grpc.pb.go",
	},
	events.Payment: {
		"batch_test.go",            // what several events become in one call of a step
		"charge/domain.go",         // what an outcome does to a payment
		"charge/workers.go",        // claim, call, finish, many at once
		"charge/charge.go",         // claim and call
		"charge/gateway.go",        // the card gateway's client
		"charge/classify.go",       // and what its answers mean
		"charge/finish.go",         // transactions that finish
		"charge/store.go",          //
		"direct/direct.go",         // payments without an order, and their keys
		"direct/requests.go",       //
		"direct/store.go",          //
		"reconcile/reconcile.go",   // our ledger against the gateway's
		"reconcile/store.go",       //
		"reconcile/growth_test.go", // what a round touches behind a long ledger
		"charge/growth_test.go",    // and what the workers touch behind many payments
		"repair/operator.go",       // what people ask for
		"repair/plan.go",           // what comes of it
		"repair/strays.go",         // charges that are not payment's own
		"repair/finish.go",         // and the transaction that does it
		"repair/store.go",          //
		"gate_test.go",             // the gateway that the tests run
		"refusal_test.go",          // what the gateway itself refuses, and what only looks like it
		"strays_test.go",           // charges beside the payment's own, and refunds after a settlement
		"parts_test.go",            // money that came back in parts, by us or by hand
		"charge_test.go",           // tests of the packages below, in the whole service
		"resolve_test.go",          //
		"direct_test.go",           //
		"reconcile_test.go",        //
		"repair_test.go",           //
		"ledger_test.go",           //
		"linear_test.go",           // histories of many payments at once
		"process_test.go",          // payment, killed on its way
	},
}

// elsewhere are common files whose subject has files of its own in a service: what stands there is tested there.
var elsewhere = map[events.Service]map[string]string{
	events.Payment: {"store_test.go": "charge_test.go", "migrations_test.go": "ledger_test.go"},
}

func TestServices_HaveTheSameFiles(t *testing.T) {
	t.Parallel()
	for _, service := range events.Consumers {
		found := files(t, service)
		for pattern, function := range common {
			name := strings.ReplaceAll(pattern, "*", string(service))
			if other := elsewhere[service][name]; other != "" && !slices.Contains(found, name) {
				name = other
			}
			if !slices.Contains(found, name) {
				t.Errorf("%s has no %s", service, name)
				continue
			}
			if function != "" && !declares(t, service, name, function) {
				t.Errorf("%s: %s does not declare %s", service, name, function)
			}
		}
		if !slices.ContainsFunc(found, func(name string) bool { return strings.HasPrefix(name, "migrations/00001_") }) {
			t.Errorf("%s has no first migration", service)
		}
		for _, name := range subjects[service] {
			if !slices.Contains(found, name) {
				t.Errorf("%s has no %s any more: take it from the list", service, name)
			}
		}
		for _, name := range found {
			if !known(service, name) {
				t.Errorf("%s: %s is in no other service; its subject belongs into this test's list, or it into a common file", service, name)
			}
		}
	}
}

var migration = regexp.MustCompile(`^migrations/\d{5}_[a-z_]+\.sql$`)

func known(service events.Service, name string) bool {
	own := func(name string) bool {
		return slices.Contains(subjects[service], name) ||
			slices.Contains(slices.Collect(maps.Keys(common)), strings.Replace(name, "/"+string(service)+"/", "/*/", 1))
	}
	tested := strings.TrimSuffix(name, "_test.go") + ".go"
	return own(name) || own(tested) || migration.MatchString(name)
}

func files(t *testing.T, service events.Service) []string {
	t.Helper()
	root := filepath.Join(services, string(service))
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func declares(t *testing.T, service events.Service, name, function string) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(services, string(service), name), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		f, is := d.(*ast.FuncDecl)
		return is && f.Recv == nil && f.Name.Name == function
	})
}
