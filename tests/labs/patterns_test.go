//go:build labs

package labs

import (
	"bytes"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/lab"
)

// TestPatterns_EachIsSeen runs the commands of the pages of docs/patterns: in one system, one page after the other, as a
// reader would. A page that starts a system has it for itself.
func TestPatterns_EachIsSeen(t *testing.T) {
	t.Parallel()
	wanted := map[string]*lab.Page{}
	for path, p := range patterns(t) {
		if strings.Contains(path, *only) && !*write {
			wanted[path] = p
		}
	}
	if len(wanted) == 0 {
		return // other pages were asked for
	}
	shared, err := lab.NewSystem(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := shared.Start(t.Context(), `bin/sagactl demo --dir "$LAB" --scenes none`); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		p := wanted[path]
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			var log bytes.Buffer
			o := lab.Options{Root: root, Log: &log}
			if !p.Starts() {
				o.Shared = shared
			}
			report, err := lab.Run(t.Context(), p, o)
			t.Logf("\n%s", log.String())
			if err != nil {
				t.Fatal(err)
			}
			if failed := report.Failed(); failed != nil {
				t.Errorf("%s:%d: %s\ngot: %s", path, failed.Block.Line, failed.Missing, failed.Output)
			}
		})
	}
}
