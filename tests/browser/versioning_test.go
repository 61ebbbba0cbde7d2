//go:build browser

package browser

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

func (p *page) recommends(strategy string) {
	p.t.Helper()
	p.wait(strategy+" to be recommended", fmt.Sprintf("document.querySelector('[data-best]')?.dataset.best === %q", strategy))
}

func versioning(t *testing.T, s *shop) {
	p := s.visit(t, "/versioning", 1360, 900)
	p.recommends("url")
	p.picture("versioning")
	p.accessible()
	p.reads(".best", "strangers see the version in the address")
	p.reads(".accepts", "Every version is an implementation")
	p.do(chromedp.Click("input[value=internal]", chromedp.ByQuery)) // the context alone changes what fits
	p.recommends("additive")
	p.do(chromedp.Click("input[name=breaking]", chromedp.ByQuery)) // the change is no addition
	p.do(chromedp.Evaluate(`for (const [name, value] of [['performance', 0], ['modifiability', 3], ['simplicity', 0]]) {
		const slider = document.querySelector('input[name=' + name + ']');
		slider.value = value;
		slider.dispatchEvent(new Event('input', {bubbles: true}));
	}`, nil))
	p.recommends("header")
	p.do(chromedp.Click("input[value=stream]", chromedp.ByQuery))
	p.recommends("negotiation")
	p.goTo(value[string](p, "location.pathname + location.search")) // the address keeps the question
	p.recommends("negotiation")
	p.do(chromedp.Click("[data-card=header]", chromedp.ByQuery))
	p.reads("[data-strategy=header]", "When to use it")
	p.reads("[data-strategy=header]", "client implementation overhead")
	p.accessible()
}

// everyPosition: which strategies win somewhere in each context, over all positions of the sliders and the tick. An event
// has no address, strangers do not learn of a header, and between one's own teams nobody needs to negotiate.
func everyPosition(t *testing.T, s *shop) {
	const winners = `import('/assets/versioning/strategies.js').then(({ contexts, recommend }) => {
		const found = {};
		for (const context in contexts) {
			const best = {};
			for (let i = 0; i < 128; i++) {
				const weights = { performance: i & 3, modifiability: i >> 2 & 3, simplicity: i >> 4 & 3 };
				const { strategy } = recommend({ context, weights, breaking: i > 63 })[0];
				best[strategy.id] = (best[strategy.id] ?? 0) + 1;
			}
			found[context] = best;
		}
		return found;
	})`
	p := s.visit(t, "/versioning", 1360, 900)
	found := value[map[string]map[string]int](p, winners)
	for context, can := range map[string][]string{
		"public": {"additive", "negotiation", "url"}, "internal": {"additive", "header", "url"}, "stream": {"additive", "header", "negotiation"},
	} {
		if best := slices.Sorted(maps.Keys(found[context])); !slices.Equal(best, can) {
			t.Errorf("%s: the best are %v, want %v", context, found[context], can)
		}
		for strategy, n := range found[context] {
			if n > 96 {
				t.Errorf("%s: %s wins at %d of 128 positions, so the sliders hardly matter", context, strategy, n)
			}
		}
	}
}

func workflow(t *testing.T, s *shop) {
	p := s.visit(t, "/versioning", 320, 700)
	p.do(chromedp.Focus("[data-stage='3']", chromedp.ByQuery))
	p.reads(".tools", "Pact")
	const enter = `document.querySelector("[data-stage='4']").dispatchEvent(new MouseEvent('mouseenter'))`
	p.do(chromedp.Evaluate(enter, nil))
	p.reads(".tools", "Schema Registry")
	p.accessible()
	p.picture("versioning-small")
}
