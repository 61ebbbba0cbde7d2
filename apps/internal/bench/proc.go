package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit for a process' CPU time in /proc: 100 a second on every Linux.
const tick = 10 * time.Millisecond

// cpuTime is what a process has used so far; of Postgres, with its children, also those that have ended.
func cpuTime(pid int, withChildren bool) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	ticks := fields[11] + fields[12] // utime, stime
	if withChildren {
		ticks += fields[13] + fields[14] // of those that have ended
		children, err := childrenOf(pid)
		if err != nil {
			return 0, err
		}
		for _, child := range children {
			if fields, err := stat(child); err == nil { // else it has ended, and its parent knows
				ticks += fields[11] + fields[12]
			}
		}
	}
	return time.Duration(ticks) * tick, nil
}

// stat are the fields of /proc/<pid>/stat after the name, from 0: state, ppid, … utime is 11. Those that are
// no numbers are zero.
func stat(pid int) ([]int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("read what a process uses: %w", err)
	}
	_, rest, found := strings.Cut(string(text), ") ") // the name may hold spaces
	words := strings.Fields(rest)
	if !found || len(words) < 15 {
		return nil, fmt.Errorf("read what process %d uses: not understood", pid)
	}
	fields := make([]int64, len(words))
	for i, word := range words {
		fields[i], _ = strconv.ParseInt(word, 10, 64)
	}
	return fields, nil
}

func childrenOf(pid int) ([]int, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, fmt.Errorf("find the children of a process: %w", err)
	}
	var children []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, nil
}

// memory is how much of the machine's memory a process has for itself; of Postgres, with its children. Pages
// that several share are counted in parts (PSS), or Postgres' buffers would count once for each of them.
func memory(pid int, withChildren bool) (int64, error) {
	if !withChildren {
		return fromRollup(pid, "Rss:")
	}
	total, err := fromRollup(pid, "Pss:")
	if err != nil {
		return 0, err
	}
	children, err := childrenOf(pid)
	if err != nil {
		return 0, err
	}
	for _, child := range children {
		if used, err := fromRollup(child, "Pss:"); err == nil {
			total += used
		}
	}
	return total, nil
}

func fromRollup(pid int, line string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read what memory a process has: %w", err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+line)
	words := strings.Fields(rest)
	if !found || len(words) == 0 {
		return 0, fmt.Errorf("read what memory process %d has: not understood", pid)
	}
	kilobytes, err := strconv.ParseInt(words[0], 10, 64)
	return kilobytes << 10, err
}
