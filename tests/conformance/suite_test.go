//go:build conformance

package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/testkit/systemtest"
)

// check is a result, as sagactl conformance prints it.
type check struct {
	Check   string `json:"check"`
	Passed  bool   `json:"passed"`
	LeftOut bool   `json:"left_out"`
	Seen    string `json:"seen"`
}

// directory keeps a system's data and logs. It stays when the test has failed.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ordersaga-") //nolint:usetesting // the logs of a failed test must stay
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postgres runs as another user and must reach its data
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs stay in %s", filepath.Join(dir, "logs"))
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// conformance has sagactl check the program that a shell command starts, and returns its exit code and the results.
func conformance(t *testing.T, service, start string, args ...string) (code int, checks []check) {
	t.Helper()
	args = append([]string{"conformance", service, "--start", start, "--dir", directory(t), "-o", "json"}, args...)
	command := exec.CommandContext(t.Context(), filepath.Join(bin(t), "sagactl"), args...)
	var errs strings.Builder
	command.Stderr = &errs
	output, err := command.Output()
	var result struct {
		Checks []check `json:"checks"`
	}
	if invalid := json.Unmarshal(output, &result); invalid != nil {
		t.Fatalf("%v, %v: %s\n%s", err, invalid, output, errs.String())
	}
	return command.ProcessState.ExitCode(), result.Checks
}

// all is how many checks a suite has.
const all = 21

func passes(t *testing.T, service, start string) {
	t.Helper()
	code, checks := conformance(t, service, start)
	for _, c := range checks {
		if !c.Passed {
			t.Errorf("%s: %s", c.Check, c.Seen)
		}
	}
	if code != 0 || len(checks) != all {
		t.Errorf("exit code %d after %d checks, want 0 after %d", code, len(checks), all)
	}
}

func TestSuite_OurServicesConform(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"inventory", "payment", "shipping", "notification"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			passes(t, service, filepath.Join(bin(t), service))
		})
	}
}

// A person starts the program elsewhere, with what is printed, and has a command that kills it and starts it again.
func TestSuite_WaitsForAProgramThatSomebodyStarts(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	pid, log := filepath.Join(dir, "pid"), filepath.Join(dir, "suite.log")
	start := fmt.Sprintf("%s >>%s.own 2>&1 & echo $! >%s", filepath.Join(bin(t), "shipping"), log, pid)
	kill := fmt.Sprintf("kill -9 $(cat %s)", pid)
	output, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	suite := exec.CommandContext(t.Context(), filepath.Join(bin(t), "sagactl"), "conformance", "shipping", "--dir", dir,
		"--crash-cmd", kill+"; "+start, "--only", "ready,step,crash,end")
	suite.Stdout, suite.Stderr = output, output
	if err := suite.Start(); err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), "sh", "-c", start)
	program.Env = append([]string{"PATH=" + os.Getenv("PATH")}, printed(t, log, "shipping")...)
	if err := program.Run(); err != nil {
		t.Fatal(err)
	}
	verdict := suite.Wait()
	if err := exec.Command("sh", "-c", kill).Run(); err != nil {
		t.Errorf("the program does not run any more: %v", err)
	}
	text, err := os.ReadFile(log)
	for _, line := range []string{"ok    ready ", "ok    step ", "ok    crash ", "--    end "} {
		if !strings.Contains(string(text), "\n"+line) {
			t.Errorf("there is no line %q", line)
		}
	}
	if err != nil || verdict != nil || t.Failed() {
		t.Errorf("%v, %v\n%s", err, verdict, text)
	}
}

// variants are shipping in Node with one mistake each, and the check that finds it.
var variants = []struct{ name, old, new, check string }{
	{"no inbox", "if (first.rowCount === 0) return;", "", "duplicates"},
	{"no fence", "let row = decide(event);", "let row = decide(event);\n  if (row.state === 'FENCED') {\n" +
		"    return { name: 'ShipmentFailed', data: { order_id: event.subject, reason: row.reason } };\n  }", "tombstone"},
	{"repeated requests are not answered", "if (!repeated) return null;", "return null;", "repeated"},
	{"each answer has another shipment", "const { parcel, shipment_id } = row;", "const { parcel } = row, shipment_id = `shp_${randomUUID()}`;", "repeated"},
	{"every event is answered", "if (!repeated) return null;", "", "same-fact"},
	{"orders are not compared", "if (!row.same) throw new DeadLetter('another order has this id');", "", "other-order"},
	{"acknowledged before the commit", "      await handle(pool, message);\n      message.ack();\n",
		"      message.ack();\n      await handle(pool, message);\n", "crash"},
	{"marked, and published later", "  await Promise.all(due", "  await pool.query('UPDATE outbox SET published_at = now()" +
		" WHERE id = ANY ($1)', [due.rows.map((row) => row.id)]);\n  await pause(300);\n  await Promise.all(due", "crash"},
	{"fields that it does not know are refused", "  const missing =", "  if (event.data.unknown) throw new DeadLetter('unknown');\n  const missing =",
		"unknown-fields"},
	{"what cannot be read is tried for ever", "if (!(error instanceof DeadLetter)) throw error;", "throw error;", "dead-letters"},
	{"the broker recognises no duplicate", "{ msgID: row.id }", "{}", "contract"},
	{"the cause is not named", "causationid: cause.id, ", "", "step"},
	{"what fails is acknowledged", "message.nak(500);", "message.ack();", "database-away"},
	{"the broker is not waited for", "maxReconnectAttempts: -1", "maxReconnectAttempts: 0", "broker-away"},
	{"SIGTERM is not waited for", "['SIGTERM', 'SIGINT']", "['SIGINT']", "end"},
}

func TestNode(t *testing.T) {
	t.Parallel()
	folder := install(t)
	program := filepath.Join(folder, "shipping.js")
	source, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile(filepath.Join(folder, "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(source)+string(schema), "\n"); lines > 250 {
		t.Errorf("shipping in Node has %d lines, more than 250", lines)
	}
	t.Run("it conforms", func(t *testing.T) {
		t.Parallel()
		passes(t, "shipping", "node "+program)
	})
	t.Run("it takes the place of shipping", func(t *testing.T) {
		t.Parallel()
		takesThePlace(t, program)
	})
	for _, v := range variants {
		t.Run("a variant fails: "+v.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(string(source), v.old) != 1 {
				t.Fatalf("%q stands there %d times", v.old, strings.Count(string(source), v.old))
			}
			broken := filepath.Join(folder, strings.ReplaceAll(v.name, " ", "-")+".js")
			if err := os.WriteFile(broken, []byte(strings.Replace(string(source), v.old, v.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			failsAt(t, broken, v.check)
		})
	}
}

// failsAt wants one check to fail, and none of those that come before it and are made.
func failsAt(t *testing.T, program, name string) {
	t.Helper()
	code, checks := conformance(t, "shipping", "node "+program, "--within", "15s", "--only", "ready,step,"+name)
	for _, c := range checks {
		t.Logf("%s: %v %s", c.Check, c.Passed, c.Seen)
		if c.Passed == (c.Check == name) {
			t.Errorf("%s: passed is %v", c.Check, c.Passed)
		}
	}
	if code != 1 || checks[len(checks)-1].Check != name {
		t.Errorf("exit code %d after %v", code, checks)
	}
}

func takesThePlace(t *testing.T, program string) {
	t.Helper()
	system := systemtest.Start(t, systemtest.Options{Bin: bin(t), Args: []string{"--without", "shipping"}})
	waiting := system.Place(t, systemtest.Order{})
	take(t, printed(t, demoLog(system), "shipping"), "node", program)
	for order, want := range map[string]string{
		waiting.ID: "CONFIRMED",
		system.Place(t, systemtest.Order{SKU: "gizmo", Quantity: 3}).ID: "CONFIRMED",
		system.Place(t, systemtest.Order{Country: "AQ"}).ID:             "CANCELLED",
	} {
		if end := system.AwaitEnd(t, order); end.Status != want {
			t.Errorf("the order ended %s (%s), want %s", end.Status, end.Reason, want)
		}
	}
	if text, err := system.Sagactl(t.Context(), "order", "saga", waiting.ID); err != nil || !strings.Contains(text, "CREATED") {
		t.Errorf("its saga does not show what shipping in Node answers: %v\n%s", err, text)
	}
	system.Verify(t)
}

// install makes a folder with shipping in Node and the packages that its lock file names.
func install(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("npm is missing, so shipping in Node cannot be checked")
	}
	folder := t.TempDir()
	for _, file := range []string{"package.json", "package-lock.json", "schema.sql", "shipping.js"} {
		text, err := os.ReadFile(filepath.Join("node", file))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, file), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = folder
	if output, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	return folder
}
