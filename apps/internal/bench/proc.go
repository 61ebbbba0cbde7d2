package bench

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// tick is the kernel's unit for a process' CPU time in /proc: 100 a second on every Linux.
const tick = 10 * time.Millisecond

// cpuTime is what a process has used so far; of Postgres, with its children, also those that have ended.
func cpuTime(pid int, withChildren bool) (time.Duration, error) {
	family, err := processes(pid, withChildren)
	if err != nil {
		return 0, err
	}
	ticks := 0
	for i, process := range family {
		stat, err := process.Stat()
		switch {
		case i > 0 && err != nil: // it has ended, and its parent knows
			continue
		case err != nil:
			return 0, fmt.Errorf("read what a process uses: %w", err)
		case i == 0 && withChildren:
			ticks += stat.CUTime + stat.CSTime // of those that have ended
		}
		ticks += int(stat.UTime + stat.STime)
	}
	return time.Duration(ticks) * tick, nil
}

// memory is how much of the machine's memory a process has; of Postgres, with its children. Pages that several share
// are counted in parts (PSS), or Postgres' buffers would count once for each of them.
func memory(pid int, withChildren bool) (bytes int64, err error) {
	family, err := processes(pid, withChildren)
	if err != nil {
		return 0, err
	}
	for i, process := range family {
		rollup, err := process.ProcSMapsRollup()
		if err != nil && i == 0 {
			return 0, fmt.Errorf("read what memory a process has: %w", err)
		}
		bytes += int64(rollup.Pss) // zero for a child that has ended
	}
	return bytes, nil
}

// processes are a process and, where they are wanted, its children.
func processes(pid int, withChildren bool) (procfs.Procs, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("find a process: %w", err)
	}
	family := procfs.Procs{process}
	if !withChildren {
		return family, nil
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("find the children of a process: %w", err)
	}
	for _, other := range all {
		if stat, err := other.Stat(); err == nil && stat.PPID == pid {
			family = append(family, other)
		}
	}
	return family, nil
}
