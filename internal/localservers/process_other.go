//go:build unix && !linux

package localservers

import (
	"os/exec"
	"syscall"
)

// attributes gives the child its user and a process group of its own. Only Linux can tie its life to
// ours; elsewhere a child survives us when we are killed.
func attributes(c Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c.User.credential()}
}

// EndWithUs does nothing here: the command survives us when we are killed.
func EndWithUs(*exec.Cmd, syscall.Signal) {}
