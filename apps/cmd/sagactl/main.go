// Command sagactl runs, drives and checks ordersaga.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"example.com/ordersaga/apps/internal/sagactl"
	"example.com/ordersaga/internal/localservers"
)

func main() {
	localservers.IgnoreLibpqVariables() // it drives systems that name their databases
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := sagactl.Run(ctx, os.Args[1:], sagactl.Terminal{Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
	stop()
	os.Exit(code)
}
