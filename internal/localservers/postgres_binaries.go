package localservers

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// PostgresBinaries finds the directory that holds postgres and initdb: PG_BINDIR, else what pg_config
// says, else the newest installation in the usual places, else a downloaded one.
func PostgresBinaries() (string, error) {
	if dir := os.Getenv("PG_BINDIR"); dir != "" {
		if !hasPostgres(dir) {
			return "", fmt.Errorf("PG_BINDIR is %s, but there is no postgres and initdb in it", dir)
		}
		return dir, nil
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); hasPostgres(dir) {
			return dir, nil
		}
	}
	if dir := newest(
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // Red Hat
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on ARM
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/Applications/Postgres.app/*/latest/bin",
	); dir != "" {
		return dir, nil
	}
	return download()
}

func hasPostgres(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// newest is the directory with the highest version in its name.
func newest(patterns ...string) string {
	var found []string
	for _, pattern := range patterns {
		dirs, _ := filepath.Glob(pattern) // the only error is a malformed pattern
		found = append(found, slices.DeleteFunc(dirs, func(dir string) bool { return !hasPostgres(dir) })...)
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
}

func version(dir string) int {
	digits := strings.FieldsFunc(filepath.Dir(dir), func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[len(digits)-1]) // digits only
	return n
}

// download fetches PostgreSQL once into a cache. The library can only fetch what it also starts, so it
// starts a server of its own for a moment; that fails as root, but the binaries are there.
func download() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "postgres-"+string(embedded.V17))
	if dir := filepath.Join(root, "bin"); hasPostgres(dir) {
		return dir, nil
	}
	port, err := FreePort()
	if err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "scratch-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // only takes room in the cache
	server := embedded.NewDatabase(embedded.DefaultConfig().Version(embedded.V17).Port(uint32(port)).
		CachePath(cache).BinariesPath(root).RuntimePath(filepath.Join(scratch, "run")).
		DataPath(filepath.Join(scratch, "data")).Logger(io.Discard))
	if err = server.Start(); err == nil {
		err = server.Stop()
	}
	if dir := filepath.Join(root, "bin"); hasPostgres(dir) {
		return dir, nil
	}
	return "", fmt.Errorf("no PostgreSQL found (install it, or set PG_BINDIR), and it cannot be downloaded: %w", err)
}

// cacheDir keeps what was downloaded or built. As root it is a place that the unprivileged user who runs
// it can reach.
func cacheDir() (string, error) {
	u, err := Unprivileged()
	if err != nil {
		return "", err
	}
	dir := "/var/cache/ordersaga"
	if u == nil {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache directory: %w", err)
		}
		dir = filepath.Join(base, "ordersaga")
	}
	return dir, os.MkdirAll(dir, 0o755)
}
