package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/loop"
)

// System is a page's fresh directory, LAB, and the system that runs in it, if one was started.
type System struct {
	Dir string // LAB
	// Stays is set for a system that goes on when this process ends, for [Attach].
	Stays bool

	root   string // of the repository
	home   string // has Dir, and the files of the blocks
	before string // what git says of the root
	groups []int  // of all processes that were started here
	pid    int
	exited chan struct{} // of the system; nil: none was started
}

// NewSystem makes a directory for a page.
func NewSystem(ctx context.Context, root string) (*System, error) {
	before, err := gitStatus(ctx, root)
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "ordersaga-lab-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the lab: %w", err)
	}
	s := &System{Dir: filepath.Join(home, "lab"), root: root, home: home, before: before}
	if err := errors.Join(os.Chmod(home, 0o755), os.Mkdir(s.Dir, 0o755)); err != nil { // Postgres may be another user
		return nil, fmt.Errorf("make a directory for the lab: %w", err)
	}
	return s, nil
}

// Attach is a page's directory that another process has made, with the system that it left running there, if it still
// runs.
func Attach(ctx context.Context, root, dir string, pid int) (*System, error) {
	before, err := gitStatus(ctx, root)
	if err != nil {
		return nil, err
	}
	s := &System{Dir: dir, root: root, home: filepath.Dir(dir), before: before}
	if supervisor.Runs(dir) { // otherwise the number may be another process' by now
		s.pid, s.groups, s.exited = pid, []int{pid}, make(chan struct{})
		go func() {
			for syscall.Kill(pid, 0) == nil {
				loop.Rest(context.WithoutCancel(ctx), pace, nil)
			}
			close(s.exited)
		}()
	}
	return s, nil
}

// Runs is whether a system was started here and still runs.
func (s *System) Runs() bool { return supervisor.Runs(s.Dir) }

// PID is the process that was started; 0: none was.
func (s *System) PID() int { return s.pid }

// environ is the environment of everything that runs here.
func (s *System) environ() []string {
	environ := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "ORDERSAGA_") || name == "BASH_ENV" || name == "COLUMNS"
	})
	return append(environ, "LAB="+s.Dir, "ORDERSAGA_FILE="+s.description(), "NO_COLOR=1",
		"USER="+cmp.Or(os.Getenv("USER"), "lab"))
}

// description is the file in which the system describes itself.
func (s *System) description() string {
	return filepath.Join(s.Dir, filepath.Base(endpoints.DefaultFile))
}

// startLimit is how long the system may take until it answers, on a machine that is busy.
const startLimit = 2 * time.Minute

// Start starts the system with a command, and waits until it answers.
func (s *System) Start(ctx context.Context, command string) error {
	log, err := os.Create(filepath.Join(s.home, "system.log"))
	if err != nil {
		return fmt.Errorf("start the system: %w", err)
	}
	defer log.Close()
	c := exec.Command("bash", "-c", "exec "+command)
	c.Dir, c.Env, c.Stdout, c.Stderr = s.root, s.environ(), log, log
	if !s.Stays {
		localservers.EndWithUs(c, syscall.SIGTERM)
	}
	if err := startGroup(c); err != nil {
		return fmt.Errorf("start the system: %w", err)
	}
	s.pid, s.exited, s.groups = c.Process.Pid, make(chan struct{}), append(s.groups, c.Process.Pid)
	go func() {
		_ = c.Wait() // await sees that it has ended
		close(s.exited)
	}()
	return s.await(ctx, log.Name())
}

func (s *System) await(ctx context.Context, log string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-s.exited:
			text, err := read(log)
			return errors.Join(fmt.Errorf("the system has ended: %s", strings.TrimSpace(text)), err)
		case <-ctx.Done():
			return fmt.Errorf("the system does not answer after %v: %w", startLimit, ctx.Err())
		case <-time.After(pace):
		}
	}
	return nil
}

// answers is whether the system is described and its order service is ready.
func (s *System) answers(ctx context.Context) bool {
	where, err := endpoints.Read(s.description())
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.URLs["order"]+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// endLimit is how long the system may take to end in its order, before it is killed.
const endLimit = time.Minute

// Close ends the system and removes the directory. It is an error if a process goes on, or if a file of the repository
// has changed.
func (s *System) Close(ctx context.Context) error {
	if s.exited != nil {
		endGroup(s.pid, s.exited, endLimit)
	}
	err := s.endLeft(ctx)
	err = errors.Join(err, os.RemoveAll(s.home))
	after, statusErr := gitStatus(ctx, s.root)
	if statusErr == nil && after != s.before {
		statusErr = fmt.Errorf("files of the repository have changed: before %q, after %q", s.before, after)
	}
	return errors.Join(err, statusErr)
}

// endLeft kills what goes on although it was to end, and says so.
func (s *System) endLeft(ctx context.Context) error {
	var left []process
	for range 25 { // what was killed is there for a moment
		all, err := processes(ctx)
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(all, func(p process) bool {
			return !slices.Contains(s.groups, p.group) && !strings.Contains(p.command, s.home)
		})
		if len(left) == 0 {
			return nil
		}
		loop.Rest(ctx, pace, nil)
	}
	var commands []string
	for _, p := range left {
		commands = append(commands, fmt.Sprintf("%d %s", p.pid, p.command))
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may end by itself now
	}
	return fmt.Errorf("processes were left behind: %s", strings.Join(commands, "; "))
}

// process is one of this machine's.
type process struct {
	pid, group int
	command    string
}

// processes are all but those that have ended and that nobody has waited for.
func processes(ctx context.Context) (all []process, err error) {
	text, err := exec.CommandContext(ctx, "ps", "-A", "-ww", "-o", "pid=,pgid=,stat=,args=").Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[2], "Z") {
			continue
		}
		pid, pidErr := strconv.Atoi(fields[0])
		group, groupErr := strconv.Atoi(fields[1])
		if err := errors.Join(pidErr, groupErr); err != nil {
			return nil, fmt.Errorf("list the processes: %w", err)
		}
		all = append(all, process{pid, group, strings.Join(fields[3:], " ")})
	}
	return all, nil
}

// gitStatus is what git says of a repository's files.
func gitStatus(ctx context.Context, root string) (string, error) {
	command := exec.CommandContext(ctx, "git", "--no-optional-locks", "status", "--porcelain")
	command.Dir = root
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("ask git for the files of %s: %w", root, err)
	}
	return string(text), nil
}
