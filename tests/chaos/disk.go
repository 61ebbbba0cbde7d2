//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/supervisor"
)

// diskSize is how much the broker can store: little, so that filling it up takes little.
const diskSize = "512m"

// disk is a small file system of its own (tmpfs) for the broker.
type disk struct{ at string }

// ballast is the file that fills the disk.
func (d disk) ballast() string { return filepath.Join(d.at, "ballast") }

// mountDisk moves what the broker has stored to a disk of its own. It needs the right to mount.
func (s *storm) mountDisk(ctx context.Context, t *testing.T) error {
	t.Helper()
	if err := s.Down(ctx, supervisor.NATS); err != nil {
		return err
	}
	d := disk{filepath.Dir(s.BrokerStore())}
	before, err := os.MkdirTemp("", "chaos-broker-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(before) }()
	if err := os.CopyFS(before, os.DirFS(d.at)); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", d.at, "tmpfs", 0, "mode=0700,size="+diskSize); err != nil {
		return fmt.Errorf("mount a small disk for the broker (this takes root): %w", err)
	}
	s.disk = d
	if err := os.CopyFS(d.at, os.DirFS(before)); err != nil {
		return err
	}
	return s.Up(ctx, supervisor.NATS)
}

func (d disk) unmount() error {
	if d.at == "" {
		return nil
	}
	return syscall.Unmount(d.at, 0)
}

// fillDisk leaves the broker without a byte. It then stops storing, and goes on only when there is room
// again and somebody has started it anew; the outboxes wait as long.
func fillDisk(ctx context.Context, s *storm) error {
	ballast, err := os.Create(s.disk.ballast())
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = ballast.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(fmt.Errorf("fill the disk: %w", err), ballast.Close())
	}
	s.pause(ctx, 3*time.Second)
	if err := errors.Join(ballast.Close(), os.Remove(s.disk.ballast())); err != nil {
		return err
	}
	return s.Restart(ctx, supervisor.NATS, nil)
}

// forgetTail has the broker lose what it has stored and acknowledged within the last moments, as a power
// loss does between two of its syncs: it goes on with an older copy of its files.
func forgetTail(ctx context.Context, s *storm) error {
	older, err := os.MkdirTemp("", "chaos-broker-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(older) }()
	if err := s.Down(ctx, supervisor.NATS); err != nil {
		return err
	}
	if err := os.CopyFS(older, os.DirFS(s.BrokerStore())); err != nil {
		return err
	}
	if err := s.Up(ctx, supervisor.NATS); err != nil {
		return err
	}
	s.pause(ctx, 1500*time.Millisecond)
	if err := s.Down(ctx, supervisor.NATS); err != nil {
		return err
	}
	if err := os.RemoveAll(s.BrokerStore()); err != nil {
		return err
	}
	if err := os.CopyFS(s.BrokerStore(), os.DirFS(older)); err != nil {
		return err
	}
	return s.Up(ctx, supervisor.NATS)
}
