package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compared is a comparison of pairs with these ratios of speed; the latencies have the reciprocal ratios.
func compared(ratios ...float64) Comparison {
	c := Comparison{Load: "64 in flight"}
	for _, ratio := range ratios {
		c.Pairs = append(c.Pairs, Pair{
			This:    Result{PerSecond: 200 * ratio, Completed: Quantiles{P50: time.Second}},
			Earlier: Result{PerSecond: 200, Completed: Quantiles{P50: time.Duration(float64(time.Second) * ratio)}},
		})
	}
	return c
}

func TestAgainst_MedianAndSpread(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Comparison{
		"0.50 (0.50–0.50)": compared(0.5),
		"0.75 (0.50–1.00)": compared(1, 0.5),
		"0.90 (0.25–3.00)": compared(3, 0.25, 0.9),
		"1.00 (0.25–3.00)": compared(3, 0.25, 0.9, 1.1),
	} {
		if got := c.Over(Pair.Speed).String(); got != want {
			t.Errorf("the ratios of %d pairs are %s, want %s", len(c.Pairs), got, want)
		}
	}
	if got := compared(4, 2).Over(Pair.Latency).String(); got != "0.38 (0.25–0.50)" {
		t.Errorf("the ratios of the latencies are %s", got)
	}
}

func TestAgainst_Verdict(t *testing.T) {
	t.Parallel()
	enough := compared(0.5, 0.6, 0.7, 0.97, 1, 1, 1)
	slower := compared(1, 1, 1, 0.96, 0.9, 0.9, 0.9)
	tests := map[string]struct {
		comparisons []Comparison
		holds       bool
		sentence    string
	}{
		"not slower": {
			[]Comparison{enough}, true,
			"not slower: median ratio 0.97 (0.50–1.00) at 64 in flight; at least 0.97 is wanted",
		},
		"slower":             {[]Comparison{slower}, false, "slower: median ratio 0.96 (0.90–1.00)"},
		"slower at one load": {[]Comparison{enough, slower}, false, "slower: median ratio 0.97"},
		"faster in six pairs": {
			[]Comparison{compared(2, 2, 2, 2, 2, 2)}, false,
			"not decided, fewer than 7 pairs: median ratio 2.00",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sentence, holds := Verdict(test.comparisons)
			if holds != test.holds || !strings.HasPrefix(sentence, test.sentence) {
				t.Errorf("the verdict is %q, %v", sentence, holds)
			}
		})
	}
}

func TestAgainst_BuildsAlternateAndEachComesFirstEquallyOften(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	for pair := range 4 {
		for _, earlier := range inTurn(pair) {
			order.WriteString(map[bool]string{false: "A", true: "B"}[earlier])
		}
	}
	if order.String() != "ABBAABBA" {
		t.Errorf("the builds run as %s", &order)
	}
}

func TestAgainst_AFolderWithoutABuildIsOneLine(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	partial := t.TempDir()
	for _, name := range []string{"sagactl", "order", "inventory", "payment", "nats-server"} {
		if err := os.WriteFile(filepath.Join(partial, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		filepath.Join(empty, "none"):      "there is no folder",
		filepath.Join(partial, "sagactl"): "there is no folder",
		empty:                             "lacks the programs sagactl, order,",
		partial:                           "lacks the programs shipping",
	} {
		_, err := FindBuild(dir)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error for %s is %v, want %q in one line", dir, err, want)
		}
	}
}
