package uniformity

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const ours = "example.com/ordersaga/"

// links are who may not be linked with whom, however many packages stand between them: the linter sees direct imports
// alone. A name stands for the package and all below it.
var links = []struct {
	who    string
	never  []string
	except []string // what may be linked nevertheless
	why    string
}{
	{"pkg/events", []string{""}, nil, "another team's repository imports it and nothing else"},
	{"pkg/outbox", []string{""}, nil, "a library that knows no shop"},
	{"pkg/problem", []string{""}, nil, "an HTTP error brings no database and no broker along"},
	{"pkg/loop", []string{""}, nil, "a loop brings no database and no broker along"},
	{"pkg/idempotency", []string{""}, []string{"pkg/problem"}, "another team imports it"},
	{"pkg", []string{"apps", "services"}, nil, "what is shared knows none of those who share it"},
	{"internal", []string{"apps", "services"}, nil, "what is shared knows none of those who share it"},
	{"contracts", []string{"apps", "services"}, nil, "a contract knows none of those who keep it"},
	{"services/order", beside("order"), nil, noProgram},
	{"services/inventory", beside("inventory"), nil, noProgram},
	{"services/payment", beside("payment"), nil, noProgram},
	{"services/shipping", beside("shipping"), nil, noProgram},
	{"services/notification", beside("notification"), nil, noProgram},
	{"apps/cmd/gateway", outsider, nil, "the gateway is another company's"},
	{"apps/cmd/ambassador", outsider, nil, "the ambassador knows HTTP alone"},
}

const noProgram = "services know each other by events alone, and what proves contracts is no part of them"

var outsider = []string{"pkg/events", "pkg/outbox", "internal/messaging", "internal/natsadmin", "internal/service", "services"}

// beside are what a service may not be linked with: programs, other services, and what proves its contracts.
func beside(service string) []string {
	all := []string{"apps", "contracts/pact", "contracts/pacttest", "contracts/schema", "pkg/testkit"}
	for _, other := range []string{"order", "inventory", "payment", "shipping", "notification"} {
		if other != service {
			all = append(all, "services/"+other)
		}
	}
	return all
}

func TestLinks_NobodyIsLinkedWithWhatItMustNotKnow(t *testing.T) {
	t.Parallel()
	listing := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, ours+"...")
	output, err := listing.Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	for _, rule := range links {
		for line := range strings.Lines(string(output)) {
			with := strings.Fields(line)
			if !below(rule.who, with[0]) {
				continue
			}
			for _, dependency := range with[1:] {
				forbidden := func(of string) bool { return below(of, dependency) }
				if slices.ContainsFunc(rule.never, forbidden) && !slices.ContainsFunc(rule.except, forbidden) && !below(rule.who, dependency) {
					t.Errorf("%s is linked with %s: %s", with[0], dependency, rule.why)
				}
			}
		}
	}
}

// below reports whether a package is ours, and the named one or below it. An empty name stands for all of ours.
func below(name, pkg string) bool {
	pkg, is := strings.CutPrefix(pkg, ours)
	return is && (name == "" || pkg == name || strings.HasPrefix(pkg, name+"/"))
}
