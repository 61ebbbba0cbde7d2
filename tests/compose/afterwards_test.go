//go:build compose

package compose

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/tests/kit"
)

// afterwards executes each row of the table in docs/containers.md: something is done to a container, an order is placed
// meanwhile or afterwards, and it is confirmed. Rows without heal come back by themselves.
func (w *containers) afterwards(t *testing.T) {
	rows := []struct {
		name   string
		do     func(t *testing.T)
		still  string // the service that stays down until heal; empty: none
		heal   []string
		before bool // the order is placed before heal, and waits
	}{
		{name: "the console's Kill", do: func(t *testing.T) { w.kill(t, "payment") }},
		{name: "docker kill", do: func(t *testing.T) { docker(t, "kill", w.name("payment")) },
			still: "payment", heal: []string{"up", "--detach", "--wait"}, before: true},
		{name: "docker compose kill", do: func(t *testing.T) { w.compose(t.Context(), t, "kill") },
			still: "payment", heal: []string{"up", "--detach", "--wait"}},
		{name: "docker compose pause", do: func(t *testing.T) { w.compose(t.Context(), t, "pause", "payment") },
			heal: []string{"unpause", "payment"}, before: true},
		{name: "docker compose stop nats", do: func(t *testing.T) { w.compose(t.Context(), t, "stop", "nats") },
			still: "nats", heal: []string{"start", "nats"}, before: true},
		{name: "docker compose restart order-db", do: func(t *testing.T) { w.compose(t.Context(), t, "restart", "order-db") }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			row.do(t)
			if row.still != "" && !strings.Contains(docker(t, "inspect", "--format", "{{.State.Status}}", w.name(row.still)), "exited") {
				t.Errorf("%s was started by Docker; docs/containers.md promises that it is not", row.still)
			}
			id := ""
			if row.before {
				id = w.Place(t, client.One("widget", 1))
			}
			if row.heal != nil {
				w.compose(t.Context(), t, row.heal...)
			}
			if !row.before {
				id = w.Place(t, client.One("widget", 1))
			}
			confirmed(t, w, id)
		})
	}
	t.Run("docker compose down -v", func(t *testing.T) { everythingIsRemoved(t, w) })
}

// everythingIsRemoved: of a second project, since this one is still asked afterwards.
func everythingIsRemoved(t *testing.T, w *containers) {
	other := &containers{project: w.project + "-b", env: append(ports(t), w.env...)}
	other.env = append(other.env, "COMPOSE_PROJECT_NAME="+other.project)
	t.Cleanup(func() { other.compose(context.WithoutCancel(t.Context()), t, "down", "--volumes") })
	other.compose(t.Context(), t, "up", "--detach", "--wait", "secrets")
	volumes := func() string {
		return docker(t, "volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project="+other.project)
	}
	if volumes() == "" {
		t.Error("there were no volumes")
	}
	other.compose(t.Context(), t, "down", "--volumes")
	if left := volumes(); left != "" {
		t.Errorf("there are still %s", left)
	}
}

// kill has the console kill a process, as its page does: the answer is a success.
func (w *containers) kill(t *testing.T, process string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		w.At.URLs[endpoints.Console]+"/api/break/processes/"+process+"/kill", http.NoBody)
	kit.Must(t, err)
	response, err := http.DefaultClient.Do(request)
	kit.Must(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Errorf("the kill was answered %s", response.Status)
	}
	kit.Eventually(t, "Docker to start "+process+" again", func() error {
		if count := strings.TrimSpace(docker(t, "inspect", "--format", "{{.RestartCount}}", w.name(process))); count == "0" {
			return fmt.Errorf("it was restarted %s times", count)
		}
		return nil
	})
}

// sagactl: the commands of README, with Docker alone.
func sagactl(t *testing.T, w *containers) {
	run := func(args ...string) string {
		return w.compose(t.Context(), t, append([]string{"run", "--rm", "-T", "sagactl"}, args...)...)
	}
	if out := run("order", "place", "--wait"); !strings.Contains(out, "CONFIRMED") {
		t.Errorf("the order is not confirmed:\n%s", out)
	}
	if out := run("watch", "--help"); !strings.Contains(out, "watch [ORDER]") {
		t.Errorf("got\n%s", out)
	}
	run("verify", "--at-rest")
}

// twice: two containers of payment share its work, and either answers at its port.
func twice(t *testing.T, w *containers) {
	w.compose(t.Context(), t, "up", "--detach", "--wait", "--scale", "payment=2")
	docker(t, "kill", w.name("payment"))
	confirmed(t, w, w.Place(t, client.One("widget", 1)))
	w.compose(t.Context(), t, "up", "--detach", "--wait")
}

// refuses: whoever lacks a secret ends with one sentence that names it, and does not run with a default.
func refuses(t *testing.T) {
	for service, wanted := range map[string]string{
		"order": "DATABASE_URL_FILE: open /nowhere/secret: no such file", "provisioner": "NATS_URL_FILE: open /nowhere/secret: no such file",
	} {
		name, _, _ := strings.Cut(wanted, ":")
		cmd := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--env", name+"=/nowhere/secret", "ordersaga/"+service)
		out, err := cmd.CombinedOutput()
		if text := strings.TrimSpace(string(out)); err == nil || !strings.Contains(text, wanted) || strings.Contains(text, "\n") {
			t.Errorf("%s: %v: %s", service, err, text)
		}
	}
}
