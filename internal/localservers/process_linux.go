package localservers

import (
	"cmp"
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
