package localservers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// backup makes the cluster a copy of the server that is followed, which goes on as its standby.
func (p *Postgres) backup(ctx context.Context) error {
	primary := p.config.Follows.config
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries, "pg_basebackup"), "--pgdata="+p.data(),
		"--host=127.0.0.1", "--port="+strconv.Itoa(primary.Port), "--username=postgres", "--no-password",
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	cmd.Dir, cmd.Env = p.config.Dir, append(os.Environ(), "PGPASSWORD="+primary.Password)
	cmd.SysProcAttr = attributes(Command{User: p.user})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the database cluster that is followed: %w", complaint(out, err))
	}
	p.config.Password = primary.Password
	return nil
}

// Promote makes a standby a primary, and returns when it is one.
func (p *Postgres) Promote(ctx context.Context) error {
	return execute(ctx, p.URL(), `DO $$ BEGIN IF NOT pg_promote() THEN RAISE 'it is still a standby'; END IF; END $$`)
}

// Freeze stops the server and all its processes by SIGSTOP: nothing answers any more, and the kernel goes on
// acknowledging what clients send. [Postgres.Thaw] lets them go on, before the server can be ended.
func (p *Postgres) Freeze(ctx context.Context) error { return p.signalAll(ctx, syscall.SIGSTOP) }

// Thaw undoes [Postgres.Freeze].
func (p *Postgres) Thaw(ctx context.Context) error { return p.signalAll(ctx, syscall.SIGCONT) }

// signalAll begins with the process that would make more of them. Each of the others has a session of its own.
func (p *Postgres) signalAll(ctx context.Context, sig syscall.Signal) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	list, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	if err != nil {
		return fmt.Errorf("list the processes of PostgreSQL: %w", err)
	}
	for line := range strings.Lines(string(list)) {
		pid, parent := 0, 0
		if _, err := fmt.Sscan(line, &pid, &parent); err != nil {
			return fmt.Errorf("list the processes of PostgreSQL: %w", err)
		}
		if parent != p.PID() {
			continue
		}
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal a process of PostgreSQL: %w", err)
		}
	}
	return nil
}
