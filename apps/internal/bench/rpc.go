package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/slo"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// RPCOptions say how gRPC and REST are compared.
type RPCOptions struct {
	Bin      string
	Dir      string        // keeps data and logs
	Duration time.Duration // of each turn
	Rounds   int           // in each of which both sides have a turn at each work
	InFlight int           // calls at a time
	Progress io.Writer
}

// RPCReport is everything that was measured.
type RPCReport struct {
	Results    []RPCResult   `json:"results"`
	Objectives []slo.Outcome `json:"objectives"` // of the HTTP contracts
}

// RPCResult is what one side needed for one work, over all rounds.
type RPCResult struct {
	Work      string        `json:"work"`
	Operation string        `json:"operation"` // its name in the HTTP contract
	Side      string        `json:"side"`      // REST or gRPC
	Done      int           `json:"done"`
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	// What one call cost: bytes on the wire, headers and framing among them, and microseconds of CPU.
	Sent      float64 `json:"bytes_sent"`
	Received  float64 `json:"bytes_received"`
	ServerCPU float64 `json:"server_cpu_us"`
	ClientCPU float64 `json:"client_cpu_us"`
}

// RunRPC starts a system and calls the same operations over both protocols, in turn.
func RunRPC(ctx context.Context, o RPCOptions) (report RPCReport, err error) {
	addrs, env := map[events.Service]string{}, map[string]map[string]string{}
	for _, service := range []events.Service{events.Order, events.Inventory} {
		port, err := localservers.FreePort()
		if err != nil {
			return report, err
		}
		addrs[service] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		env[string(service)] = map[string]string{"GRPC_ADDR": addrs[service]}
	}
	s, err := supervisor.Start(ctx, supervisor.Options{Dir: o.Dir, Bin: o.Bin, Env: env})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	orderID, err := placeOne(ctx, s)
	if err != nil {
		return report, err
	}
	targets, err := targetsOf(s.Describe(), addrs, orderID)
	if err != nil {
		return report, err
	}
	if report.Results, err = alternate(ctx, o, targets); err != nil {
		return report, err
	}
	report.Objectives, err = readOutcomes(report.Results, o.InFlight)
	return report, err
}

// alternate measures every target in every round.
func alternate(ctx context.Context, o RPCOptions, targets []*target) (results []RPCResult, err error) {
	for n := range o.Rounds {
		for i := range targets {
			t := targets[i]
			if n%2 == 1 { // whichever protocol comes second finds warm caches: they change places in every round
				t = targets[i^1]
			}
			fmt.Fprintf(o.Progress, "%d/%d  %-18s %s\n", n+1, o.Rounds, t.work, t.side)
			if err := t.measure(ctx, o); err != nil {
				return nil, fmt.Errorf("%s over %s: %w", t.work, t.side, err)
			}
		}
	}
	for _, t := range targets {
		results = append(results, t.result())
		t.close()
	}
	return results, nil
}

// placeOne places the order that is looked up, and waits for its end: then no other service is asked when it is read.
func placeOne(ctx context.Context, s *supervisor.System) (string, error) {
	customer, err := client.New(s.Describe())
	if err != nil {
		return "", err
	}
	order := client.One("widget", 2)
	order.Items = append(order.Items, api.NewItem{Sku: "gadget", Quantity: 1}, api.NewItem{Sku: "gizmo", Quantity: 3})
	placed, _, err := customer.Place(ctx, order)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ended, err := customer.Await(ctx, placed.Id)
	return ended.Id, err
}
