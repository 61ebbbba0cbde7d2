package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ordersaga/pkg/loop"
)

// server is what runs as one process: Postgres, NATS, or one of our own programs.
type server interface {
	Start(ctx context.Context) error // again, on the same port
	Stop(ctx context.Context) error  // cleanly, or else by SIGKILL
	Done() <-chan struct{}           // closed when it has ended
	Wait() error                     // how it ended
	PID() int
}

// child keeps a server running until it is stopped.
type child struct {
	name    string
	server  server
	log     *slog.Logger
	died    func(Death)
	started func() // called after each start

	// change is held while the server is being started or stopped, so that the two never meet.
	change sync.Mutex

	mu      sync.Mutex
	up      chan struct{}   // closed when it is to run; open while it is to stay down
	stopped bool            // the last process was stopped on purpose, so its end is no death
	pid     int             // of the last process
	done    <-chan struct{} // closed when that has ended
	began   time.Time
	last    Death
	deaths  int
}

const (
	// A process that dies is started again after firstPause, and after twice as long each time it dies
	// young, up to longestPause: a program that cannot run must not keep the machine busy.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	// settled is how long a process must have run for its death not to count as "again".
	settled = 10 * time.Second
)

// start starts the server, unless it is to stay down.
func (c *child) start(ctx context.Context) error {
	c.change.Lock()
	defer c.change.Unlock()
	if c.isDown() {
		return nil
	}
	if err := c.server.Start(ctx); err != nil {
		return err
	}
	c.mark()
	c.started()
	return nil
}

// mark notes the process that runs now.
func (c *child) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid, c.done, c.began, c.stopped = c.server.PID(), c.server.Done(), time.Now(), false
}

// supervise starts the server again whenever it ends, until ctx does.
func (c *child) supervise(ctx context.Context) error {
	for pause := firstPause; ; {
		c.mu.Lock()
		ended := c.done
		c.mu.Unlock()
		if !wait(ctx, ended) {
			return nil
		}
		c.mu.Lock()
		stopped, up := c.stopped, c.up
		c.mu.Unlock()
		if stopped {
			wait(ctx, up)
		} else {
			pause = c.onExit(ctx, pause)
		}
		for ctx.Err() == nil {
			err := c.start(ctx)
			if err == nil {
				break
			}
			c.log.Error("process could not be started", "process", c.name, "error", err)
			loop.Rest(ctx, longestPause, nil)
		}
	}
}

// onExit reports a death, pauses, and returns how long to pause the next time.
func (c *child) onExit(ctx context.Context, pause time.Duration) time.Duration {
	how := howEnded(c.server.Wait())
	c.mu.Lock()
	death := Death{c.name, c.pid, how, time.Now()}
	c.last = death
	young := time.Since(c.began) < settled
	c.deaths++
	c.mu.Unlock()
	if ctx.Err() != nil {
		return pause
	}
	if !young {
		pause = firstPause
	}
	c.log.Warn("process died", "process", c.name, "pid", death.PID, "how", how, "restarted_in_ms", pause.Milliseconds())
	if c.died != nil {
		c.died(death)
	}
	loop.Rest(ctx, pause, nil)
	return min(2*pause, longestPause)
}

// exited is how the process ended, if it did so by itself, with an error: the next start would hardly end better.
func (c *child) exited() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.How, strings.HasPrefix(c.last.How, "exit status") && c.last.PID == c.pid
}

// howEnded puts the end of a process into words.
func howEnded(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return err.Error()
		}
		return "exit status 0"
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return exit.String()
}

// stop ends the server and keeps it down.
func (c *child) stop(ctx context.Context) error {
	c.mu.Lock()
	if isClosed(c.up) {
		c.up = make(chan struct{})
	}
	c.stopped = true
	c.mu.Unlock()
	c.change.Lock()
	defer c.change.Unlock()
	if err := c.signal(syscall.SIGCONT); err != nil { // a paused process could not end by itself
		return nil // it had ended before
	}
	return c.server.Stop(ctx)
}

// lift ends a stop.
func (c *child) lift() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !isClosed(c.up) {
		close(c.up)
	}
}

func (c *child) isDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !isClosed(c.up)
}

// signal sends a signal to the running process; to none when there is none.
func (c *child) signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(c.done) {
		return fmt.Errorf("%s is not running", c.name)
	}
	if err := syscall.Kill(c.pid, sig); err != nil {
		return fmt.Errorf("send %s to %s: %w", unix.SignalName(sig), c.name, err)
	}
	return nil
}

// wait waits until the channel is closed; false: ctx ended first.
func wait(ctx context.Context, closed <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-closed:
		return true
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
