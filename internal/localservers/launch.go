package localservers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// startLimit bounds how long a server may take to accept connections; recovery after a kill is part of it.
const startLimit = 60 * time.Second

// launch starts a server that writes to a log file, and returns when it is ready. When it does not get there it is
// killed, and the output of this start is returned.
func launch(ctx context.Context, c Command, log string, ready func(context.Context) error) (*Process, []byte, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer file.Close() // the child has its own descriptor
	before, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	c.Log = file
	process, err := Start(c)
	if err != nil {
		return nil, nil, err
	}
	if err := process.Until(ctx, ready); err != nil {
		process.Kill()
		output := make([]byte, 64<<10)
		n, _ := file.ReadAt(output, before.Size()) // io.EOF, or nothing to show
		return nil, output[:n], err
	}
	return process, nil, nil
}

// complaint makes one line of a server's output before it gave up; err where the output has no reason.
func complaint(output []byte, err error) error {
	for _, known := range []struct{ sign, sentence string }{
		{"Address already in use", "the port is in use by another process"},
		{"address already in use", "the port is in use by another process"},
		{"No space left on device", "the disk is full"},
		{"no space left on device", "the disk is full"},
		{"Permission denied", "permission denied in the data directory"},
	} {
		if bytes.Contains(output, []byte(known.sign)) {
			return errors.New(known.sentence)
		}
	}
	for _, mark := range []string{"FATAL:", "[FTL]", "error:", "ERROR:", "nats-server:"} {
		if at := bytes.LastIndex(output, []byte(mark)); at >= 0 {
			line, _, _ := strings.Cut(string(output[at+len(mark):]), "\n")
			return errors.New(strings.TrimSpace(line))
		}
	}
	return err
}
