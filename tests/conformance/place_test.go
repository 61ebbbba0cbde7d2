package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/pkg/testkit/poll"
	"example.com/ordersaga/pkg/testkit/systemtest"
)

// bin has the programs, and from it every program of a test gets its absolute path.
func bin(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../..", "bin"))
	if given := os.Getenv("ORDERSAGA_BIN"); given != "" {
		dir, err = filepath.Abs(given)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// variable is a line of the environment that the demo prints for a free place.
var variable = regexp.MustCompile(`(?m)^  ([A-Z_]+=.*)$`)

// printed is the environment that sagactl has printed for the place of a service.
func printed(t *testing.T, log, service string) (env []string) {
	t.Helper()
	poll.Eventually(t, time.Minute, "what the place needs to be printed", func() error {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		_, place, _ := strings.Cut(string(text), "The place of "+service+" is free")
		place, _, complete := strings.Cut(place, "contracts ")
		if !complete {
			return fmt.Errorf("it has printed %q", text)
		}
		for _, line := range variable.FindAllStringSubmatch(place, -1) {
			env = append(env, line[1])
		}
		return nil
	})
	return env
}

// demoLog is what the demo has printed.
func demoLog(system *systemtest.System) string {
	return filepath.Join(filepath.Dir(system.Logs), "demo.log")
}

// take runs a program in the place of a service, with the environment that was printed and nothing else, until the test
// ends; it must end cleanly.
func take(t *testing.T, env []string, program string, args ...string) {
	t.Helper()
	command := exec.Command(program, args...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // where it has ended, Wait returns how
		if err := command.Wait(); err != nil {
			t.Errorf("%s did not end cleanly: %v", program, err)
		}
		if t.Failed() {
			t.Log(output.String())
		}
	})
}

func TestPlace_AnOrderWaitsForWhoTakesIt(t *testing.T) {
	t.Parallel()
	system := systemtest.Start(t, systemtest.Options{Bin: bin(t), Args: []string{"--without", "shipping"}})
	order := system.Place(t, systemtest.Order{})
	poll.Eventually(t, time.Minute, "the order to wait for shipping", func() error {
		text, err := system.Sagactl(t.Context(), "order", "saga", order.ID)
		if err == nil && !strings.Contains(text, "shipping cannot be reached") {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
	take(t, printed(t, demoLog(system), "shipping"), filepath.Join(bin(t), "shipping"))
	if end := system.AwaitEnd(t, order.ID); end.Status != "CONFIRMED" {
		t.Errorf("the order ended %s: %s", end.Status, end.Reason)
	}
	system.Verify(t)
}
