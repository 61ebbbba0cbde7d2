package localservers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// logFile is what a server writes to, over all its starts.
type logFile struct {
	*os.File
	start int64 // where the words of this start begin
}

func openLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &logFile{file, info.Size()}, nil
}

// said is what the server has written since this start.
func (l *logFile) said() []byte {
	said := make([]byte, 64<<10)
	n, _ := l.ReadAt(said, l.start) // io.EOF, or nothing to show
	return said[:n]
}

// complaint makes one line of what a server wrote before it gave up; err stands in where it said nothing.
func complaint(said []byte, err error) error {
	for _, known := range []struct{ sign, sentence string }{
		{"Address already in use", "the port is in use by another process"},
		{"address already in use", "the port is in use by another process"},
		{"No space left on device", "the disk is full"},
		{"no space left on device", "the disk is full"},
		{"Permission denied", "permission denied in the data directory"},
	} {
		if bytes.Contains(said, []byte(known.sign)) {
			return errors.New(known.sentence)
		}
	}
	for _, mark := range []string{"FATAL:", "[FTL]", "error:", "ERROR:", "nats-server:"} {
		if at := bytes.LastIndex(said, []byte(mark)); at >= 0 {
			line, _, _ := strings.Cut(string(said[at+len(mark):]), "\n")
			return errors.New(strings.TrimSpace(line))
		}
	}
	return err
}
