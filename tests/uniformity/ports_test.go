package uniformity

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A port of the containers stands in the compose file where it is published and where it is described, and in the docs.
func TestPorts_AreTheSameWhereverTheyStand(t *testing.T) {
	t.Parallel()
	compose, err := os.ReadFile("../../deploy/docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/containers.md")
	if err != nil {
		t.Fatal(err)
	}
	ports, owners := map[string]string{}, map[string]string{}
	for _, found := range regexp.MustCompile(`\$\{(\w+_PORT):-(\d+)\}`).FindAllStringSubmatch(string(compose), -1) {
		name, port := found[1], found[2]
		if before := ports[name]; before != "" && before != port {
			t.Errorf("%s is %s and %s", name, before, port)
		}
		if owner := owners[port]; owner != "" && owner != name {
			t.Errorf("%s is the port of %s and of %s", port, owner, name)
		}
		ports[name], owners[port] = port, name
		if !strings.Contains(string(docs), "`"+name+"` "+port) {
			t.Errorf("docs/containers.md does not have %s as %s", name, port)
		}
	}
	if len(ports) < 10 {
		t.Errorf("only %d ports were found", len(ports))
	}
}
