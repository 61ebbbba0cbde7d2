package localservers

import (
	"cmp"
	"os/exec"
	"syscall"
)

// attributes ties the child's life to ours and gives it its user. It gets a process group of its own,
// so that Ctrl-C in a terminal reaches us alone and we end the children in our order.
func attributes(c Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Pdeathsig:  cmp.Or(c.Orphan, syscall.SIGKILL),
		Setpgid:    true,
		Credential: c.User.credential(),
	}
}

// EndWithUs has a command that is not started yet get the signal when we die, where the system can do that: on Linux.
func EndWithUs(command *exec.Cmd, signal syscall.Signal) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: signal}
}
