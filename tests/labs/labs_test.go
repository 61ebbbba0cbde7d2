//go:build labs

package labs

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/lab"
)

var (
	only  = flag.String("only", "", "run the pages whose names contain it")
	write = flag.Bool("write", false, "write expectations that do not hold anew, and look at git diff")
)

// TestLabs_EachPageIsGreenAndRedWithoutItsBreak runs the pages, as many at once as -parallel allows.
func TestLabs_EachPageIsGreenAndRedWithoutItsBreak(t *testing.T) {
	t.Parallel()
	if *write && os.Getenv("CI") == "true" {
		t.Fatal("expectations are written by a person, who looks at what has changed")
	}
	all := names(t)
	for path := range patterns(t) {
		all = append(all, path)
	}
	if !slices.ContainsFunc(all, func(path string) bool { return strings.Contains(path, *only) }) {
		t.Fatalf("no page has %q in its name", *only)
	}
	for _, path := range names(t) {
		if !strings.Contains(path, *only) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			t.Parallel()
			p := page(t, path)
			var log bytes.Buffer
			o := lab.Options{Root: root, Log: &log}
			if *write {
				rewrite(t, p, o)
				return
			}
			err := lab.Prove(t.Context(), p, o)
			t.Logf("\n%s", log.String())
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// rewrite runs the page once and stores it with what it has printed.
func rewrite(t *testing.T, p *lab.Page, o lab.Options) {
	t.Helper()
	o.Write = true
	report, err := lab.Run(t.Context(), p, o)
	if failed := report.Failed(); err != nil || failed != nil {
		t.Fatalf("%v: %+v", err, failed)
	}
	if err := os.WriteFile(filepath.Join(root, p.Path), p.Source(), 0o644); err != nil { //nolint:gosec // a page is read by all
		t.Fatal(err)
	}
}
