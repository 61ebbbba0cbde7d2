//go:build labs

package labs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// person uses `sagactl lab` in the root, with the environment of a terminal.
type person struct {
	state   string
	environ []string
}

// types runs a command of sagactl, and looks for what it prints and how it ends.
func (p *person) types(t *testing.T, line string, code int, want string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bin/sagactl", strings.Fields(line)...)
	if strings.HasPrefix(line, "lab ") {
		command.Args = append(command.Args, "--state", p.state)
	}
	command.Dir, command.Env = root, append(append(os.Environ(), "NO_COLOR=1"), p.environ...)
	text, err := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != code || !strings.Contains(string(text), want) {
		t.Fatalf("sagactl %s: %v, want code %d and %q\n%s", line, err, code, want, text)
	}
	return string(text)
}

// resets ends the lab of a test that has failed.
func (p *person) resets() {
	command := exec.Command("bin/sagactl", "lab", "reset", "--state", p.state)
	command.Dir = root
	_ = command.Run() // the test may have done it
}

// TestGuide_LeadsThroughTheFirstPage goes through lab 1 as a person would who forgets the break.
func TestGuide_LeadsThroughTheFirstPage(t *testing.T) {
	t.Parallel()
	p := &person{state: filepath.Join(t.TempDir(), "lab.json")}
	p.types(t, "lab check", 1, "you are in no lab")
	t.Cleanup(func() { p.resets() })
	if text := p.types(t, "lab start 1", 0, "set -a"); strings.Contains(text, "stock, payment and shipping have no row") {
		t.Errorf("the answer is given away:\n%s", text)
	}
	var at struct {
		Dir string `json:"dir"`
	}
	text, err := os.ReadFile(p.state)
	if err != nil || json.Unmarshal(text, &at) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	p.environ = []string{"LAB=" + at.Dir, "ORDERSAGA_FILE=" + filepath.Join(at.Dir, "run.json")}

	p.types(t, "lab start 2", 1, "you are in docs/labs/01-first-order.md")
	p.types(t, "lab check", 1, "not yet: the output is another one")
	p.types(t, "lab hint", 0, "ORDER=$(bin/sagactl order place --sku widget")
	p.types(t, "lab solve", 0, "for your terminal: export ORDER=")
	p.types(t, "lab check", 0, "\nBreak\n")
	p.types(t, "lab check", 0, "\nSee\n")
	p.types(t, "lab check", 1, "have you done what stands under Break?")
	p.types(t, "kill payment --signal STOP", 0, "SIGSTOP")
	order := p.types(t, "order place --sku widget", 0, "PENDING")
	p.environ = append(p.environ, "ORDER="+strings.Fields(strings.Split(order, "\n")[1])[0])
	p.types(t, "lab check", 0, "\nRepair\n")
	for _, then := range []string{"\nRepair\n", "\nA number to reach\n", "\nA number to reach\n", "You are done."} {
		p.types(t, "lab solve", 0, then)
	}
	p.types(t, "lab check", 0, "You are done.")
	p.types(t, "lab reset", 0, "Nothing is left")
	for _, path := range []string{at.Dir, p.state} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}
