package outbox_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"example.com/ordersaga/pkg/outbox"
)

// example is as much of a test as testkit needs; examples are not given one.
type example struct {
	testing.TB                 // nil: the methods that are not below are not needed
	ctx        context.Context //nolint:containedctx // a test has its context inside, too
	cancel     context.CancelFunc
	cleanups   []func()
}

func newExample() *example {
	ctx, cancel := context.WithCancel(context.Background())
	return &example{ctx: ctx, cancel: cancel}
}

func (e *example) Context() context.Context   { return e.ctx }
func (*example) Helper()                      {}
func (*example) Output() io.Writer            { return io.Discard }
func (*example) Logf(string, ...any)          {}
func (*example) Name() string                 { return "Example" }
func (e *example) Cleanup(f func())           { e.cleanups = append(e.cleanups, f) }
func (*example) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (*example) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (*example) Errorf(f string, args ...any) { fmt.Printf(f+"\n", args...) }

func (e *example) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// run runs an outbox until the example ends.
func (e *example) run(o *outbox.Outbox) {
	var running sync.WaitGroup
	running.Go(func() { _ = o.Run(e.ctx) })
	e.Cleanup(func() { e.cancel(); running.Wait() })
}

func (e *example) end() {
	for _, cleanup := range slices.Backward(e.cleanups) {
		cleanup()
	}
	e.cancel()
}
