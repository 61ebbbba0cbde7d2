//go:build browser

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

func (p *page) recommends(strategy string) {
	p.t.Helper()
	p.wait(strategy+" to be recommended", fmt.Sprintf("document.querySelector('[data-best]')?.dataset.best === %q", strategy))
}

func versioning(t *testing.T, s *shop) {
	p := s.visit(t, "/versioning", 1360, 900)
	p.recommends("additive")
	p.picture("versioning")
	p.accessible()
	p.do(chromedp.Click("input[name=breaking]", chromedp.ByQuery)) // what cannot be said by adding
	p.recommends("url")
	p.reads(".best", "strangers see the version in the address")
	p.reads(".accepts", "Every version is an implementation")
	p.do(chromedp.Click("input[value=internal]", chromedp.ByQuery))
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
