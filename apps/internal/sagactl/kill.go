package sagactl

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"example.com/ordersaga/apps/system/supervisor"
)

func (p *program) kill() *cobra.Command {
	name := ""
	c := command("kill PROCESS", "Sends a signal to a process of the demo. What ends by it is started again.",
		cobra.ExactArgs(1), func(_ context.Context, args []string) error {
			signal := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
			if signal == 0 {
				err := fmt.Errorf("there is no signal %q", name)
				return &Failure{usage, err, "sagactl kill " + shell(args[0]) + " --signal KILL"}
			}
			return p.signal(args[0], signal)
		})
	c.Example = "  sagactl kill payment\n  sagactl kill nats --signal STOP   # it freezes; --signal CONT lets it go on"
	c.Flags().StringVar(&name, "signal", "KILL", "KILL, TERM, STOP, CONT, …")
	return c
}

// signal sends a signal to a process of the demo, whose numbers run.json has.
func (p *program) signal(process string, signal syscall.Signal) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	pid := system.PIDs[process]
	switch {
	case len(system.PIDs) == 0:
		err := fmt.Errorf("%s has no process numbers: its processes run in containers", p.file)
		return &Failure{failed, err, "docker compose kill " + shell(process)}
	case pid == 0:
		have := strings.Join(slices.Sorted(maps.Keys(system.PIDs)), ", ")
		return &Failure{usage, fmt.Errorf("there is no process %q; there are %s", process, have), "sagactl kill --help"}
	case !supervisor.Runs(filepath.Dir(p.file)): // the numbers may be other processes' by now
		return unanswered(fmt.Errorf("the system of %s has ended", p.file))
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return &Failure{failed, fmt.Errorf("send %s to %s (process %d): %w", unix.SignalName(signal), process, pid, err),
			"the same again in a moment   (it may be being started again)"}
	}
	answer := map[string]any{"process": process, "pid": pid, "signal": unix.SignalName(signal)}
	return p.show(answer, func() { fmt.Fprintf(p.out, "%s to %s, process %d\n", unix.SignalName(signal), process, pid) })
}
