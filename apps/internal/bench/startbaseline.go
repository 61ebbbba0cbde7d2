package bench

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"example.com/ordersaga/apps/internal/bench/baseline"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/services/inventory"
	"example.com/ordersaga/services/order"
	"example.com/ordersaga/services/payment"
	"example.com/ordersaga/services/shipping"
)

// baselinePrefix is put before the names of the baseline's databases, processes and logs.
const baselinePrefix = "baseline_"

// baselineSystem is the baseline's processes. It has a card gateway and an ambassador of its own, or the payment
// service would find charges in the gateway's ledger that it never made.
type baselineSystem struct {
	processes map[string]*localservers.Process
	url       string
	databases []string
}

// startBaseline gives the baseline databases of its own, with the services' tables, on the system's Postgres, and
// starts its processes. Also when it fails, what it has started is to be stopped.
func startBaseline(ctx context.Context, s *supervisor.System) (*baselineSystem, error) {
	p := &baselineSystem{processes: map[string]*localservers.Process{}}
	env := map[string]string{}
	for service, variable := range baseline.Variables {
		name := baselinePrefix + string(service)
		url, err := baselineDatabase(ctx, s, name, service)
		if err != nil {
			return p, err
		}
		p.databases, env[variable] = append(p.databases, name), url
	}
	self, err := os.Executable()
	if err != nil {
		return p, fmt.Errorf("start the baseline: %w", err)
	}
	logs := s.Describe().Logs
	gateway, err := p.start(ctx, filepath.Join(s.Bin(), supervisor.Gateway), logs, map[string]string{
		"LEDGER_FILE": filepath.Join(filepath.Dir(logs), "baseline.ledger"),
	})
	if err != nil {
		return p, err
	}
	env["GATEWAY_URL"], err = p.start(ctx, filepath.Join(s.Bin(), supervisor.Ambassador), logs, map[string]string{
		"GATEWAY_URLS": gateway,
	})
	if err != nil {
		return p, err
	}
	p.url, err = p.start(ctx, self, logs, env, "bench", "baseline")
	return p, err
}

// start starts one of the baseline's processes and waits until it listens.
func (p *baselineSystem) start(
	ctx context.Context, path, logs string, env map[string]string, args ...string,
) (string, error) {
	port, err := localservers.FreePort()
	if err != nil {
		return "", err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	list := append(os.Environ(), "HTTP_ADDR="+addr)
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	log, err := os.Create(filepath.Join(logs, baselinePrefix+filepath.Base(path)+".log"))
	if err != nil {
		return "", fmt.Errorf("start the baseline: %w", err)
	}
	defer log.Close()
	process, err := localservers.Start(localservers.Command{Path: path, Args: args, Env: list, Log: log})
	if err != nil {
		return "", err
	}
	p.processes[baselinePrefix+filepath.Base(path)] = process
	return "http://" + addr, process.Until(ctx, func(ctx context.Context) error {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

func (p *baselineSystem) stop() {
	for _, process := range p.processes {
		process.Kill()
	}
}

// pids are the process ids by name.
func (p *baselineSystem) pids() map[string]int {
	pids := map[string]int{}
	for name, process := range p.processes {
		pids[name] = process.PID()
	}
	return pids
}

func baselineDatabase(ctx context.Context, s *supervisor.System, name string, of events.Service) (string, error) {
	database, err := localservers.CreateDatabaseAs(ctx, s.Superuser(), name, "template1", of, s.Passwords(of))
	if err != nil {
		return "", err
	}
	sets := []service.Migrations{{Table: "goose_db_version", Files: map[events.Service]func() fs.FS{
		events.Order: order.Migrations, events.Inventory: inventory.Migrations,
		events.Payment: payment.Migrations, events.Shipping: shipping.Migrations,
	}[of]()}}
	if of == events.Order {
		sets = append(sets, service.Migrations{Table: idempotency.Table, Files: idempotency.Migrations()})
	}
	return database.URL, service.Migrate(ctx, database.OwnerURL, sets...)
}
