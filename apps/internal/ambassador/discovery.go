package ambassador

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
)

// discovery knows where endpoints are: those of the list always, and those that a name stands for now.
type discovery struct {
	listed []*url.URL
	name   string // host and port; empty: only the list
	lookup func(ctx context.Context, host string) ([]string, error)
	pool   *pool
	log    *slog.Logger
}

func newDiscovery(c Config, p *pool, log *slog.Logger) *discovery {
	d := &discovery{name: c.GatewayDNS, lookup: net.DefaultResolver.LookupHost, pool: p, log: log}
	for _, text := range c.Gateways {
		if u, err := url.Parse(text); err == nil { // FromEnv has read it before
			d.listed = append(d.listed, u)
		}
	}
	return d
}

// lookUp asks for the name's addresses. When nobody knows, the last known ones stay.
func (d *discovery) lookUp(ctx context.Context) error {
	if d.name == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(d.name)
	if err != nil {
		return fmt.Errorf("GATEWAY_DNS: %w", err)
	}
	addresses, err := d.lookup(ctx, host)
	if err != nil {
		return err
	}
	found := make([]*url.URL, 0, len(addresses))
	for _, address := range addresses {
		found = append(found, &url.URL{Scheme: "http", Host: net.JoinHostPort(address, port)})
	}
	d.update(found)
	return nil
}

// update makes the list and what was found the endpoints, in an order that does not depend on the answer's.
func (d *discovery) update(found []*url.URL) {
	slices.SortFunc(found, func(a, b *url.URL) int {
		switch {
		case a.Host < b.Host:
			return -1
		case a.Host > b.Host:
			return 1
		}
		return 0
	})
	d.pool.set(slices.Concat(d.listed, found))
}
