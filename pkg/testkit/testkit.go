package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// kit is what the tests of one process share.
type kit struct {
	mu     sync.Mutex
	main   bool        // Main is running
	docker atomic.Bool // the client of Docker leaves goroutines of its own

	cluster    *cluster
	clusterErr error // not tried twice: the reason would be the same
	templates  map[templateKey]*template
	closers    []func(context.Context) error
}

// process is the one package variable: tests find the servers of their process without passing anything
// around, since the testing package offers no other place.
var process = &kit{templates: map[templateKey]*template{}}

// Main runs the tests of a package and afterwards ends what they had started. To be called by TestMain. When
// all have passed, no goroutine of theirs may be left: what a test forgets, a service would forget as well.
func Main(m *testing.M) {
	process.main = true
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := process.close(ctx)
	if code == 0 && err == nil && !process.docker.Load() {
		http.DefaultClient.CloseIdleConnections()
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// atEnd has something done when all tests of the process are over, last things first.
func (k *kit) atEnd(do func(context.Context) error) {
	k.closers = append(k.closers, do)
}

func (k *kit) close(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, do := range slices.Backward(k.closers) {
		errs = append(errs, do(ctx))
	}
	k.closers = nil
	return errors.Join(errs...)
}

// mustHaveMain keeps a package from leaving servers behind.
func (k *kit) mustHaveMain(t testing.TB) {
	t.Helper()
	if !k.main {
		t.Fatal("this package needs a TestMain: func TestMain(m *testing.M) { testkit.Main(m) }")
	}
}
