package localservers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
)

// prepare makes the cluster in its directory, unless it stands already.
func (p *Postgres) prepare(ctx context.Context) error {
	if err := p.user.reaches(p.config.Dir); err != nil {
		return err
	}
	if err := p.user.own(p.config.Dir); err != nil {
		return fmt.Errorf("make the database directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(p.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if p.config.Follows != nil {
		return p.backup(ctx)
	}
	if p.config.Password == "" {
		p.config.Password = rand.Text()
	}
	return p.initdb(ctx)
}

func (p *Postgres) initdb(ctx context.Context) (err error) {
	secret := filepath.Join(p.config.Dir, "password")
	if err := os.WriteFile(secret, []byte(p.config.Password), 0o600); err != nil {
		return fmt.Errorf("make a database cluster: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(secret)) }()
	if p.user != nil {
		if err := os.Chown(secret, p.user.UID, p.user.GID); err != nil {
			return fmt.Errorf("make a database cluster: %w", err)
		}
	}
	args := []string{"--pgdata=" + p.data(), "--username=postgres", "--pwfile=" + secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"}
	if p.config.NoFsync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries, "initdb"), args...)
	cmd.Dir = p.config.Dir
	cmd.SysProcAttr = attributes(Command{User: p.user})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a database cluster in %s: %w", p.config.Dir, complaint(out, err))
	}
	return nil
}

// settings are chosen for a small machine that runs the whole system: five services with their pools,
// little memory, next to no work when idle.
func (p *Postgres) settings() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(p.config.Port),
		"unix_socket_directories": "", // nobody uses it, and its default directory may belong to another user
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		"wal_level":               "minimal", // nothing replicates from here
		"max_wal_senders":         "0",
		"jit":                     "off", // costs more than it gains on statements as short as ours
		"timezone":                "UTC",
	}
	if runtime.GOOS == "linux" { // one call instead of one for each of two thousand files, before recovery begins
		settings["recovery_init_sync_method"] = "syncfs"
	}
	if p.config.NoFsync { // a commit still reaches the kernel, so that a killed server has it
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	if p.config.Replicates || p.config.Follows != nil {
		settings["wal_level"], settings["max_wal_senders"] = "replica", "10"
	}
	maps.Copy(settings, p.config.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
