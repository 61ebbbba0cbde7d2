package testkit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
)

// DB is a database of a test's own.
type DB struct {
	URL      string        // the service's login, with the least it needs
	OwnerURL string        // the login that owns the tables
	AuditURL string        // the login that may read everything and change nothing
	Pool     *pgxpool.Pool // of the service's login
}

// Migration is a set of numbered SQL files with a version table of its own.
type Migration struct {
	Table string
	FS    fs.FS
}

// Database makes a fresh database for a service: the tables of service.Migrate, then those of the migrations. The
// test may do with it what it likes; it is dropped when the test ends.
func Database(t testing.TB, service events.Service, migrations ...Migration) *DB {
	t.Helper()
	process.mustHaveMain(t)
	c, err := process.postgres()
	if err != nil {
		t.Fatal(err)
	}
	// A test's context ends before its clean-ups run, and a database half made cannot be dropped by name.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	template, err := process.template(ctx, c, service, migrations)
	if err != nil {
		t.Fatal(err)
	}
	name := freshName(service)
	made, err := localservers.CreateDatabaseAs(ctx, c.adminURL, name, template, service, c.passwords)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(t, name) })
	pool, err := pgxpool.New(ctx, made.URL+"&pool_max_conns=10")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &DB{made.URL, made.OwnerURL, made.AuditURL, pool}
}

// postgres is the server of this process, started when it is first asked for.
func (k *kit) postgres() (*cluster, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cluster != nil || k.clusterErr != nil {
		return k.cluster, k.clusterErr
	}
	k.cluster, k.clusterErr = startCluster(context.Background()) // outlives the test that asked
	if k.clusterErr == nil {
		k.atEnd(k.cluster.stop)
	}
	return k.cluster, k.clusterErr
}

// templateKey is what makes two databases equal before their tests begin.
type templateKey struct {
	service events.Service
	content [sha256.Size]byte
}

// template is a migrated database that nobody connects to, and that new ones are copied from.
type template struct {
	once sync.Once
	name string
	err  error
}

func (k *kit) template(ctx context.Context, c *cluster, service events.Service,
	migrations []Migration) (string, error) {
	content, err := digest(migrations)
	if err != nil {
		return "", err
	}
	k.mu.Lock()
	key := templateKey{service, content}
	made, ok := k.templates[key]
	if !ok {
		made = &template{name: freshName(service)}
		k.templates[key] = made
		k.atEnd(func(ctx context.Context) error { return c.dropNow(ctx, made.name) })
	}
	k.mu.Unlock()
	made.once.Do(func() { made.err = makeTemplate(ctx, c, made.name, service, migrations) })
	return made.name, made.err
}

func makeTemplate(ctx context.Context, c *cluster, name string, of events.Service, migrations []Migration) error {
	made, err := localservers.CreateDatabaseAs(ctx, c.adminURL, name, "template1", of, c.passwords)
	if err != nil {
		return err
	}
	var sets []service.Migrations
	for _, m := range migrations {
		sets = append(sets, service.Migrations{Table: m.Table, Files: m.FS})
	}
	return service.Migrate(ctx, made.OwnerURL, sets...)
}

// digest is over the migrations' texts: two tests that name the same ones share a template.
func digest(migrations []Migration) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	for _, m := range migrations {
		fmt.Fprintf(hash, "table %s\n", m.Table)
		err := fs.WalkDir(m.FS, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(m.FS, path)
			fmt.Fprintf(hash, "file %s %d\n%s", path, len(text), text)
			return err
		})
		if err != nil {
			return sum, fmt.Errorf("read the migrations of %s: %w", m.Table, err)
		}
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// freshName is a database's name that nobody else uses, also not another process on the same server.
func freshName(service events.Service) string {
	return "test_" + string(service) + "_" + strings.ToLower(rand.Text()[:16])
}

func (c *cluster) drop(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.dropNow(ctx, name); err != nil {
		t.Error(err)
	}
}

// dropNow drops a database although somebody may still be connected to it.
func (c *cluster) dropNow(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, c.adminURL)
	if err != nil {
		return fmt.Errorf("drop the test's database: %w", err)
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("drop the test's database: %w", err)
	}
	return nil
}
