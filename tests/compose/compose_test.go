//go:build compose

package compose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

func TestContainers(t *testing.T) {
	w := up(t)
	t.Run("the console shows a live saga", func(t *testing.T) { liveSaga(t, w) })
	t.Run("all of it takes little memory", func(t *testing.T) { littleMemory(t, w) })
	t.Run("together", func(t *testing.T) {
		t.Run("outcomes", func(t *testing.T) { t.Parallel(); kit.Outcomes(t, w.System) })
		t.Run("a cancel comes in time", func(t *testing.T) { t.Parallel(); kit.CancelInTime(t, w.System) })
		t.Run("mails", func(t *testing.T) { t.Parallel(); kit.Mails(t, w.System) })
	})
	t.Run("the console reaches everybody", func(t *testing.T) { consoleAsks(t, w) })
	t.Run("payment is killed while it waits for the gateway", func(t *testing.T) { paymentKilled(t, w) })
	t.Run("shipping is dead when the saga comes to it", func(t *testing.T) { shippingDead(t, w) })
	t.Run("a database is out of the other services' reach", func(t *testing.T) { reach(t, w) })
	t.Run("payment reaches its database, the broker and the ambassador, and nothing else", func(t *testing.T) { waysOut(t, w) })
	t.Run("sagactl runs as a container", func(t *testing.T) { sagactl(t, w) })
	t.Run("a service runs twice behind its port", func(t *testing.T) { twice(t, w) })
	t.Run("a container without its secret refuses in a sentence", refuses)
	w.afterwards(t)
	w.Holds(t)
	t.Run("nothing secret is in the logs", func(t *testing.T) { nothingSecret(t, w) })
}

// containers are a running system of containers.
type containers struct {
	*kit.System
	project string   // what they are called, so that they run beside others
	env     []string // of docker compose: the project, and free ports
	secrets []string // that only they know

	began, firstSaga time.Time // when up was asked for, with the images there; when the console showed a saga
}

// up starts the containers from nothing, with docker alone in the PATH, and removes them with the test.
func up(t *testing.T) *containers {
	t.Helper()
	project := fmt.Sprintf("ordersaga-test-%d", os.Getpid())
	w := &containers{project: project, env: append(ports(t), "COMPOSE_PROJECT_NAME="+project, "HOME="+os.Getenv("HOME"), "PATH="+dockerOnly(t))}
	t.Cleanup(func() {
		// Docker may keep an empty network whose last endpoint it has lost track of. What `down` removes is a row of its own.
		if out, err := w.run(context.WithoutCancel(t.Context()), t, "--profile", "*", "down", "--volumes", "--remove-orphans"); err != nil {
			t.Logf("not everything is removed: %v\n%s", err, out)
		}
	})
	began := time.Now()
	w.compose(t.Context(), t, "build", "--quiet")
	w.compose(t.Context(), t, "build", "--quiet", "sagactl")
	t.Logf("images after %v", time.Since(began).Round(time.Second))
	w.began = time.Now()
	if out := w.compose(t.Context(), t, "up", "--detach", "--wait"); strings.Contains(out, "level=warning") {
		t.Errorf("docker compose up warns:\n%s", out)
	}
	t.Logf("up after %v", time.Since(w.began).Round(time.Second))
	w.compose(t.Context(), t, "up", "--detach", "--wait") // also the second time
	dir := t.TempDir()
	w.compose(t.Context(), t, "cp", "secrets:/secrets/host/run.json", dir)
	w.compose(t.Context(), t, "cp", "secrets:/secrets/made", dir)
	at, err := endpoints.Read(filepath.Join(dir, "run.json"))
	kit.Must(t, err)
	w.System, w.secrets = kit.Of(t, at), secrets(t, filepath.Join(dir, "made"))
	return w
}

// compose runs docker compose at the root and returns what it printed.
func (w *containers) compose(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.run(ctx, t, args...)
	if err != nil {
		t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *containers) run(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	docker, err := exec.LookPath("docker")
	kit.Must(t, err)
	cmd := exec.CommandContext(ctx, docker, append([]string{"compose"}, args...)...)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// dockerOnly is a PATH with docker and nothing else.
func dockerOnly(t *testing.T) string {
	t.Helper()
	docker, err := exec.LookPath("docker")
	kit.Must(t, err)
	dir := t.TempDir()
	kit.Must(t, os.Symlink(docker, filepath.Join(dir, "docker")))
	return dir
}

// ports sets every port that the containers publish to a free one.
func ports(t *testing.T) (env []string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/docker-compose.yml")
	kit.Must(t, err)
	names := map[string]bool{}
	for _, found := range regexp.MustCompile(`\$\{(\w+_PORT):-\d+\}`).FindAllStringSubmatch(string(text), -1) {
		names[found[1]] = true
	}
	for name := range names {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		kit.Must(t, err)
		defer listener.Close()
		env = append(env, fmt.Sprintf("%s=%d", name, listener.Addr().(*net.TCPAddr).Port))
	}
	return env
}

// secrets are what the first container has made for the others.
func secrets(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	kit.Must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		kit.Must(t, err)
		if len(text) < 40 {
			t.Errorf("the secret %s has %d characters", file.Name(), len(text))
		}
		all = append(all, string(text))
	}
	if len(all) < 20 {
		t.Fatalf("only %d secrets are known", len(all))
	}
	return all
}

// paymentKilled: the gateway takes a second over the charge, and payment does not live to hear the answer.
func paymentKilled(t *testing.T, w *containers) {
	wanted := client.One("widget", 1)
	wanted.Token = "tok_slow"
	id := w.Place(t, wanted)
	kit.Eventually(t, "the charge to be asked for", func() error {
		if w.Count(t, "payment", `SELECT count(*)::int FROM payment WHERE order_id = $1 AND attempts > 0`, id) == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	docker(t, "kill", w.name("payment"))
	if state := w.State(t, "payment", "payment", id); state != "INTENT" {
		t.Errorf("payment was too fast to be killed in the middle: %s", state)
	}
	docker(t, "start", w.name("payment")) // a kill from outside triggers no restart policy
	confirmed(t, w, id)
}

func shippingDead(t *testing.T, w *containers) {
	docker(t, "kill", w.name("shipping"))
	id := w.Place(t, client.One("widget", 1))
	w.AwaitState(t, "payment", "payment", id, "CAPTURED")
	kit.Eventually(t, "the order to say what it waits for", func() error {
		got, err := w.Shop.Get(t.Context(), id)
		if err == nil && (got.WaitingFor == nil || got.WaitingFor.Why != "shipping cannot be reached") {
			err = fmt.Errorf("it waits for %+v", got.WaitingFor)
		}
		return err
	})
	docker(t, "start", w.name("shipping"))
	confirmed(t, w, id)
}

func confirmed(t *testing.T, w *containers, id string) {
	t.Helper()
	if got := w.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	if captured, refunded := w.Gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds", captured, refunded)
	}
}

// reach: the networks let a service come to its own database only. What can be asked from inside are the
// databases' containers; the services' have no shell.
func reach(t *testing.T, w *containers) {
	ready := func(from, to string) error {
		return exec.CommandContext(t.Context(), "docker", "exec", w.name(from), "pg_isready", "--quiet", "--timeout=2", "--host="+to).Run()
	}
	for _, from := range []string{"order-db", "payment-db"} {
		for _, to := range []string{"order-db", "inventory-db", "payment-db", "shipping-db"} {
			if err := ready(from, to); (err == nil) != (from == to) {
				t.Errorf("%s reaches %s: %v", from, to, err == nil)
			}
		}
	}
}

// waysOut asks from inside payment's network, by a container with a shell that shares it. What is out of reach is
// asked for by its addresses: a name that cannot be resolved would prove little.
func waysOut(t *testing.T, w *containers) {
	addresses := func(service, port string) (all []string) {
		found := docker(t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", w.name(service))
		for ip := range strings.FieldsSeq(found) {
			all = append(all, ip+"/"+port)
		}
		return all
	}
	in := []string{"db/5432", "broker/4222", "way-out/8080"}
	out := slices.Concat(addresses("gateway", "8080"), addresses("inventory-db", "5432"), addresses("shipping-db", "5432"))
	if len(out) < 6 {
		t.Fatalf("only %v are known of three containers with two networks each", out)
	}
	ask := `for at; do (timeout 3 bash -c "</dev/tcp/$at" && echo $at) 2>/dev/null & done; wait`
	answered := strings.Fields(docker(t, slices.Concat([]string{"run", "--rm", "--network=container:" + w.name("payment"),
		"--entrypoint=bash", "postgres:17", "-c", ask, "bash"}, in, out)...))
	slices.Sort(in)
	if slices.Sort(answered); !slices.Equal(answered, in) {
		t.Errorf("payment reaches %v of %v and %v", answered, in, out)
	}
}

func nothingSecret(t *testing.T, w *containers) {
	for service := range strings.FieldsSeq(docker(t, "ps", "--all", "--filter", "label=com.docker.compose.project="+w.project, "--format", "{{.Names}}")) {
		log := docker(t, "logs", service)
		for _, secret := range w.secrets {
			if strings.Contains(log, secret) {
				t.Errorf("the log of %s holds a secret", service)
			}
		}
	}
}

func (w *containers) name(service string) string { return w.project + "-" + service + "-1" }

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
