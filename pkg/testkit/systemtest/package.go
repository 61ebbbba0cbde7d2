package systemtest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// errFatal ends [Main] before the tests have begun.
var errFatal = errors.New("the system could not be started")

// packageTest is what a system of a whole package has in place of a test: it prints, and remembers what to clean up.
type packageTest struct {
	testing.TB // nil: no other method is called

	failed   bool
	cleanups []func()
}

func (*packageTest) Helper()            {}
func (p *packageTest) Failed() bool     { return p.failed }
func (p *packageTest) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }
func (p *packageTest) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (p *packageTest) Error(args ...any) {
	p.failed = true
	fmt.Fprintln(os.Stderr, args...)
}

func (p *packageTest) Errorf(format string, args ...any) { p.Error(fmt.Sprintf(format, args...)) }

func (p *packageTest) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	panic(errFatal)
}

func (p *packageTest) Fatal(args ...any) {
	p.Error(args...)
	panic(errFatal)
}

func (p *packageTest) cleanUp() {
	for _, f := range slices.Backward(p.cleanups) {
		f()
	}
}
