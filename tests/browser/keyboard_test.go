//go:build browser

package browser

import (
	"context"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// everyPage are the addresses of all pages.
var everyPage = []string{"/", "/order?id=none", "/place", "/break", "/operate", "/traces", "/simulator", "/versioning", "/quality", "/nowhere"}

func anySize(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1280, 900)
	for _, path := range everyPage {
		p.goTo(path)
		for _, width := range []int64{320, 1280, 3840} {
			p.do(chromedp.EmulateViewport(width, 900))
			if wide := p.overflow(); wide > 0 {
				t.Errorf("at %d pixels %s is %d too wide", width, path, wide)
			}
		}
	}
}

func lightOrDark(t *testing.T, s *shop) {
	p := s.visit(t, "/versioning", 800, 600)
	p.wait("the system's choice", `document.querySelector('[data-does=theme]').value === 'system'`)
	p.do(chromedp.Evaluate(`{
		const choice = document.querySelector('[data-does=theme]');
		choice.value = 'dark';
		choice.dispatchEvent(new Event('change'));
	}`, nil))
	if scheme := value[string](p, "getComputedStyle(document.documentElement).colorScheme"); scheme != "dark" {
		t.Errorf("dark was chosen, and the page is %s", scheme)
	}
	// Whoever has chosen sees nothing else first: the choice is there before the body is.
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(`new MutationObserver((_, observer) => {
			if (!document.body) return;
			observer.disconnect();
			window.first = document.documentElement.dataset.theme;
		}).observe(document, {childList: true, subtree: true})`).Do(ctx)
		return err
	}))
	p.goTo("/simulator")
	if first := value[string](p, "window.first"); first != "dark" {
		t.Errorf("dark was chosen, and the next page begins with %q", first)
	}
	p.wait("the choice to be shown", `document.querySelector('[data-does=theme]').value === 'dark'`)
	p.accessible()
	p.do(chromedp.Evaluate(`localStorage.clear()`, nil)) // for the other tests
}

func keys(t *testing.T, s *shop) {
	p := s.visit(t, "/", 800, 600)
	p.do(chromedp.KeyEvent("?"))
	p.wait("the keys", `document.querySelector('dialog').open`)
	p.reads("dialog", "goes to the search")
	p.accessible()
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait("them to be gone", `!document.querySelector('dialog').open`)
	p.do(chromedp.KeyEvent("/"))
	p.wait("the search to have the focus", `document.activeElement.type === 'search'`)
	p.do(chromedp.KeyEvent("?/"))
	p.wait("keys to be text there", `document.activeElement.value.endsWith('?/') && !document.querySelector('dialog').open`)
	p.goTo("/order?id=none")
	p.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.wait("the first link to lead past the navigation", `document.activeElement.id === 'page'`)
}
