package localservers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Command says what to run as a child process, and how.
type Command struct {
	Path string
	Args []string
	Env  []string  // the child's whole environment; nil: ours
	Dir  string    // working directory; empty: ours
	Log  io.Writer // gets stdout and stderr; an *os.File outlives us and costs no copying
	User *User     // runs as this user; nil: as ours
	// Orphan is the signal that the child gets when we die without having stopped it; SIGKILL when zero.
	Orphan syscall.Signal
}

// Process is a running child process.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; valid when done is closed
}

// Start runs a command. The returned process has been started; whether it is ready is the caller's to
// find out.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	cmd.Stdout, cmd.Stderr = c.Log, c.Log
	cmd.SysProcAttr = attributes(c)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// run starts the child and waits for its end on one thread: the kernel sends the death signal when the
// thread that forked ends, not when the process does, so this thread has to live as long as the child.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// PID is the process id of the child.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the child's end and says how it ended; nil means exit code 0.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the child. A child that has ended already is not an error.
func (p *Process) Signal(sig os.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && p.Running() {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Kill ends the child by SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.Signal(os.Kill) // fails only when it is gone
	<-p.done
}

// Stop asks the child to end by SIGTERM and waits; what has not ended after the grace period, or when
// ctx ends, is killed. The error says how the child ended; nil means by itself, with exit code 0.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	return p.stop(ctx, syscall.SIGTERM, grace)
}

func (p *Process) stop(ctx context.Context, sig os.Signal, grace time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end within %v and was killed", p.cmd.Path, grace)
	}
}

// Until polls a condition until it holds, the process has ended, or the context has. The error says which of the last
// two it was: of the process that it ended, of the context what the condition lacked.
func (p *Process) Until(bound context.Context, condition func(context.Context) error) error {
	ctx, cancel := context.WithCancel(bound)
	defer cancel()
	go func() { // an attempt that hangs must not outlast the process
		select {
		case <-p.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		err := condition(ctx)
		if !p.Running() {
			return errors.New("the server ended while starting")
		}
		if err == nil || bound.Err() != nil {
			return err
		}
		_ = pause(ctx, 10*time.Millisecond) // why it ended early is found out above
	}
}

// pause waits between two attempts, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
