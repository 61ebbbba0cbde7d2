package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// file is the ledger on disk: one record a line, only ever appended to. Several processes may have it
// open; whoever reads or writes holds its lock, and reads first what the others have appended.
//
// A process that is killed while it writes leaves a last line without an end. No client was answered that it
// happened, so whoever has the lock next cuts it off. A whole line that cannot be read is something
// else, damage, and nothing works until a human has looked.
type file struct {
	f      *os.File
	end    int64 // up to where it has been read
	synced int64 // up to where it is known to be on the disk
}

func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	// A new file is only there for good when its directory is on the disk too.
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger: %w", err), f.Close())
	}
	return &file{f: f}, nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// lock waits until no other process reads or writes. The kernel gives it back when its holder dies.
func (f *file) lock() error {
	for {
		err := syscall.Flock(int(f.f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func (f *file) unlock() error { return syscall.Flock(int(f.f.Fd()), syscall.LOCK_UN) }

// catchUp reads what was appended since it last looked, line by line. The lock must be held.
func (f *file) catchUp(add func(place int64, line []byte) error) error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < f.end {
		return fmt.Errorf("the ledger has become shorter: it ends at byte %d, and was read up to byte %d", info.Size(), f.end)
	}
	lines := bufio.NewReader(io.NewSectionReader(f.f, f.end, info.Size()-f.end))
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return f.cutTorn(len(line))
		}
		if err != nil {
			return err
		}
		if err := add(f.end, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("the ledger is damaged at byte %d: %w", f.end, err)
		}
		f.end += int64(len(line))
	}
}

// cutTorn removes a last line that was never finished.
func (f *file) cutTorn(length int) error {
	if length == 0 {
		return nil
	}
	return f.f.Truncate(f.end)
}

// append writes whole lines at the end. When it fails, they are taken away again as far as that can be
// had. The lock must be held, and the file read up to its end.
func (f *file) append(lines []byte) error {
	end := f.end
	_, err := f.f.WriteAt(lines, end)
	if err == nil {
		f.end += int64(len(lines))
		err = f.sync()
	}
	if err != nil {
		f.end, f.synced = end, 0 // what can no longer be synced need not be on the disk
		return errors.Join(err, f.f.Truncate(end))
	}
	return nil
}

// sync returns when everything that was read or written is on the disk. What another process wrote counts
// too: it may have been killed before it could sync.
func (f *file) sync() error {
	if f.synced == f.end {
		return nil
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.synced = f.end
	return nil
}

func (f *file) close() error { return f.f.Close() }
