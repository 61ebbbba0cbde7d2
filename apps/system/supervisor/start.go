package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// startServers starts Postgres with its databases, and NATS, at the same time.
func (s *System) startServers(ctx, supervised context.Context) error {
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error { return s.startPostgres(starting) })
	group.Go(func() error { return s.startNATS(starting) })
	err := group.Wait()
	if s.postgres != nil {
		s.supervise(supervised, Postgres, s.postgres)
	}
	if s.nats != nil {
		s.supervise(supervised, NATS, s.nats)
	}
	return err
}

func (s *System) startPostgres(ctx context.Context) error {
	server, err := localservers.StartPostgres(ctx, localservers.PostgresConfig{
		Dir: filepath.Join(s.folder.data, "postgres"), Password: s.secrets["postgres"], NoFsync: s.options.NoFsync,
	})
	if err != nil {
		return err
	}
	s.postgres, s.databases = server, map[events.Service]localservers.Database{}
	for _, service := range events.Consumers {
		s.databases[service], err = localservers.CreateDatabase(ctx, server.URL(), service, s.Passwords(service))
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *System) startNATS(ctx context.Context) error {
	env := []string{"GOGC=50"} // docs/adr/0026-the-brokers-memory.md
	for name, secret := range s.secrets {
		if user, is := strings.CutPrefix(name, "nats_"); is {
			env = append(env, natsadmin.PasswordVariable(user)+"="+secret)
		}
	}
	server, err := localservers.StartNATS(ctx, localservers.NATSConfig{
		Dir: filepath.Join(s.folder.data, "nats"), Config: natsadmin.ServerConfig(natsadmin.ServerOptions{}), Env: env,
	})
	if err != nil {
		return err
	}
	s.nats = server
	return nil
}

func (s *System) startProgram(ctx, supervised context.Context, m member) error {
	if m.program == Gateway {
		if err := os.MkdirAll(filepath.Join(s.folder.data, "gateway"), 0o700); err != nil {
			return fmt.Errorf("make the gateway's directory: %w", err)
		}
	}
	p := &program{
		path: filepath.Join(s.options.Bin, m.program),
		log:  s.logOf(m),
		env:  func() map[string]string { return s.environmentOf(m) },
	}
	m.releasePort()
	if err := p.Start(ctx); err != nil {
		return err
	}
	s.supervise(supervised, m.name, p)
	return nil
}

// supervise keeps a server, which has been started, running until the supervision ends.
func (s *System) supervise(supervised context.Context, name string, server server) {
	up := make(chan struct{})
	close(up)
	c := &child{name: name, server: server, log: s.options.Log, died: s.options.Died, started: s.republish, up: up}
	c.mark()
	s.children[name] = c
	s.order = append(s.order, name)
	s.loops.Go(func() error { return c.supervise(supervised) })
}

// republish writes the new process ids to run.json.
func (s *System) republish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.published {
		return
	}
	if err := s.Describe().Write(s.folder.runFile()); err != nil {
		s.options.Log.Error("description not written", "error", err)
	}
}

// startLimit is how long everything may take to be ready, on a machine that is busy.
const startLimit = 60 * time.Second

// AwaitReady waits until the named processes are ready; all of them when none is named.
func (s *System) AwaitReady(ctx context.Context, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	group, waiting := errgroup.WithContext(ctx)
	for _, m := range s.members {
		if m.http != 0 && !m.free && (len(names) == 0 || slices.Contains(names, m.name)) {
			group.Go(func() error { return s.awaitReady(waiting, m) })
		}
	}
	return group.Wait()
}

func (s *System) awaitReady(ctx context.Context, m member) error {
	client := http.Client{Timeout: 2 * time.Second}
	reason := errors.New("it does not answer")
	for {
		err := ready(ctx, &client, url(m.http)+"/readyz")
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			reason = err
		}
		if how, exited := s.children[m.name].exited(); exited {
			return fmt.Errorf("%s ended with %s: %s", m.name, how, lastLine(s.logOf(m)))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", m.name, reason)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("it answers " + response.Status)
	}
	return nil
}
