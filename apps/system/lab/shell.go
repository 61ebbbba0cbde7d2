package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// shell is one bash, in a process group of its own. What it is given is sourced, so that variables and functions stay.
type shell struct {
	folder string // of the files that it sources, and of what they print
	number int    // of the last one
	busy   bool   // with what it was given last
	pid    int    // and of the process group
	input  io.WriteCloser
	codes  <-chan string   // the exit code of each text, over a file descriptor that the text does not have
	exited <-chan struct{} // closed when it has ended
}

func newShell(folder, root string, environ []string) (*shell, error) {
	command := exec.Command("bash", "--noprofile", "--norc")
	command.Dir, command.Env = root, environ
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a shell: %w", err)
	}
	answers, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a shell: %w", err)
	}
	command.ExtraFiles = []*os.File{theirs} // descriptor 3
	err = startGroup(command)
	_ = theirs.Close() // the shell has its own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a shell: %w", err), answers.Close())
	}
	codes, exited := make(chan string), make(chan struct{})
	go func() {
		defer answers.Close()
		for lines := bufio.NewScanner(answers); lines.Scan(); {
			select {
			case codes <- lines.Text():
			case <-exited:
			}
		}
	}()
	go func() {
		_ = command.Wait() // whoever waits for an exit code finds that none comes
		close(exited)
	}()
	return &shell{folder: folder, pid: command.Process.Pid, input: input, codes: codes, exited: exited}, nil
}

// run sources a text and waits for its end.
func (s *shell) run(ctx context.Context, text string, limit time.Duration) (output string, code int, err error) {
	source, printed, err := s.store(text)
	if err != nil {
		return "", 0, err
	}
	line := fmt.Sprintf("{ . %s; } >%s 2>&1 </dev/null 3>&-; echo $? >&3\n", quote(source), quote(printed))
	if _, err := io.WriteString(s.input, line); err != nil {
		return "", 0, fmt.Errorf("the shell has ended: %w", err)
	}
	s.busy = true
	timer := time.NewTimer(limit)
	defer timer.Stop()
	answer := ""
	select {
	case answer = <-s.codes:
		s.busy = false
	case <-s.exited:
		err = errors.New("the block has ended the shell")
	case <-timer.C:
		err = fmt.Errorf("the block has not ended after %v", limit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		code, err = strconv.Atoi(answer)
	}
	output, readErr := read(printed)
	return output, code, errors.Join(err, readErr)
}

// background sources a text in a shell of its own, which goes on; the file has what it prints.
func (s *shell) background(text string) (printed string, err error) {
	source, printed, err := s.store(text)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("( . %s ) >%s 2>&1 </dev/null 3>&- &\n", quote(source), quote(printed))
	if _, err := io.WriteString(s.input, line); err != nil {
		return "", fmt.Errorf("the shell has ended: %w", err)
	}
	return printed, nil
}

// store writes a text to a file, and makes the one for its output.
func (s *shell) store(text string) (source, printed string, err error) {
	s.number++
	source = filepath.Join(s.folder, fmt.Sprintf("%d-%d.sh", s.pid, s.number))
	printed = strings.TrimSuffix(source, "sh") + "out"
	err = errors.Join(os.WriteFile(source, []byte(text), 0o600), os.WriteFile(printed, nil, 0o600))
	if err != nil {
		return "", "", fmt.Errorf("store a block: %w", err)
	}
	return source, printed, nil
}

func read(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read what a block has printed: %w", err)
	}
	return string(text), nil
}

// close ends the shell and all that runs in its process group.
func (s *shell) close() {
	_ = s.input.Close()
	endGroup(s.pid, s.exited, 2*time.Second)
}

// startGroup starts a command in a process group of its own.
func startGroup(command *exec.Cmd) error {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	return command.Start()
}

// endGroup asks a process group to end; when its first process has, or not in time, what is left of it is killed.
func endGroup(pid int, exited <-chan struct{}, patience time.Duration) {
	_ = syscall.Kill(-pid, syscall.SIGTERM) // it may have ended
	select {
	case <-exited:
	case <-time.After(patience):
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // there may be none left
	<-exited
}

// quote is a word as a shell has to be given it.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
