package failpoint

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Fired is one line of the file that FAULTS_LOG names.
type Fired struct {
	At    time.Time `json:"at"`
	PID   int       `json:"pid"`
	Point Point     `json:"point"`
	Kind  Kind      `json:"kind"`
	Order string    `json:"order,omitempty"` // whom it hit, or the first of them
	Fault string    `json:"fault"`           // what was armed, as [Fault.String] without its times
}

// journal is the file of what fired. A line is handed to the operating system before the fault takes
// effect, so it outlives the process; not the machine, which these faults do not crash.
type journal struct {
	file  *os.File
	fired map[string]int // by whole fault, from before this process
	last  []Fired        // the last of them
}

func openJournal(path string) (*journal, error) {
	j := &journal{fired: make(map[string]int)}
	lines, err := ReadLog(path)
	if err != nil {
		return nil, err
	}
	j.last = lines[max(0, len(lines)-remembered):]
	for _, line := range lines {
		j.fired[line.Fault]++
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open the log of faults: %w", err)
	}
	return j, nil
}

// ReadLog reads what has fired so far; a file that does not exist yet is empty.
func ReadLog(path string) ([]Fired, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log of faults: %w", err)
	}
	defer file.Close()
	var lines []Fired
	for decoder := json.NewDecoder(bufio.NewReader(file)); ; {
		var line Fired
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return lines, nil
		} else if err != nil {
			return lines, fmt.Errorf("read the log of faults: %w", err)
		}
		lines = append(lines, line)
	}
}

// times is how often the fault has fired before this process began.
func (j *journal) times(f Fault) int {
	if j == nil {
		return 0
	}
	return j.fired[identity(f)]
}

// identity is the same for the fault before and after some of its times.
func identity(f Fault) string {
	f.Times = 0
	return f.String()
}

// newFired is the line about a fault that fires now, for one of these orders.
func newFired(f Fault, orders []string) Fired {
	order := f.Order
	if order == "" && len(orders) > 0 {
		order = orders[0]
	}
	return Fired{time.Now().UTC(), os.Getpid(), f.Point, f.Kind, order, identity(f)}
}

func (j *journal) write(fired Fired) {
	if j == nil {
		return
	}
	line, err := json.Marshal(fired)
	if err != nil {
		panic(err) // strings and numbers
	}
	// An error has nowhere to go; a test that waits for the line then fails.
	_, _ = j.file.Write(append(line, '\n'))
}
