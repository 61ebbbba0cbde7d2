package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// candidate is the program that takes the place. Where it was started by somebody else, start is empty.
type candidate struct {
	start, crash string   // commands for the shell
	url          string   // where it answers
	env          []string // of the place
	log          io.Writer
	command      *exec.Cmd
	ended        chan struct{} // closed when the command has
	how          error         // valid then
}

// run starts the candidate, if it is ours to start.
func (c *candidate) run() error {
	if c.start == "" {
		return nil
	}
	command, ended := shell(c.start, c.env, c.log), make(chan struct{})
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the candidate: %w", err)
	}
	c.command, c.ended = command, ended
	go func() {
		c.how = command.Wait()
		close(ended)
	}()
	return nil
}

// shell is a command line in a process group of its own, so that a signal reaches whatever it starts.
func shell(line string, env []string, log io.Writer) *exec.Cmd {
	command := exec.Command("sh", "-c", "trap : TERM; "+line) // the shell waits for what it has started
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// ready is nil when the candidate answers that it works.
func (c *candidate) ready(ctx context.Context) error {
	err := read(ctx, c.url+"/readyz", nil)
	if err == nil || c.ended == nil {
		return err
	}
	select {
	case <-c.ended:
		return fmt.Errorf("the candidate has ended: %w", cmp.Or(c.how, errors.New("exit status 0")))
	default:
		return err
	}
}

// kill kills the candidate and starts it again: by SIGKILL, or as --crash-cmd does it.
func (c *candidate) kill(ctx context.Context) error {
	if c.crash != "" {
		if err := shell(c.crash, c.env, c.log).Run(); err != nil {
			return fmt.Errorf("--crash-cmd: %w", err)
		}
		return nil
	}
	if err := syscall.Kill(-c.command.Process.Pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the candidate: %w", err)
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.run()
}

// grace is how long a program may take to end by itself.
const grace = 10 * time.Second

// stop has the candidate end as it should: on SIGTERM, within the grace, with exit code 0.
func (c *candidate) stop() error {
	if c.command == nil {
		return nil
	}
	group := -c.command.Process.Pid
	c.command = nil
	_ = syscall.Kill(group, syscall.SIGTERM) // it may have ended: then how is the verdict
	select {
	case <-c.ended:
		if c.how != nil {
			return fmt.Errorf("on SIGTERM it ended with %w", c.how)
		}
		return nil
	case <-time.After(grace):
		_ = syscall.Kill(group, syscall.SIGKILL) // it may have ended now
		<-c.ended
		return fmt.Errorf("it had not ended %v after SIGTERM", grace)
	}
}

// read reads the JSON at an address; any answer but 200 is an error. Into nil nothing is read.
func read(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: it answered %s", request.URL.Path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
