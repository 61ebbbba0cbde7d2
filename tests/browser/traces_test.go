//go:build browser

package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/tests/kit"
)

// traced are the processes that an order's trace passes.
var traced = []string{"order", "inventory", "payment", "ambassador", "gateway", "shipping", "notification"}

// noTrace: without a span the page explains how to have some.
func noTrace(t *testing.T, s *shop) {
	console := startConsole(t, s.At)
	id := s.Place(t, client.One("widget", 1))
	s.Ends(t, id)
	p := s.visit(t, "/", 1280, 800)
	p.at = console
	p.goTo("/order?id=" + id)
	p.reads("[data-is=trace]", "OTEL_EXPORTER_OTLP_ENDPOINT="+console+"/otlp")
	p.accessible()
	p.do(chromedp.EmulateViewport(320, 700))
	p.goTo("/traces")
	p.reads(".note", "OTEL_EXPORTER_OTLP_ENDPOINT="+console+"/otlp")
	p.accessible()
}

// aWaterfall: a bar for each span, of every process and of each part of a hop, told apart without colours, and reached
// by keyboard.
func aWaterfall(t *testing.T, s *shop) {
	id := s.Place(t, client.One("widget", 2))
	s.Ends(t, id)
	p := s.visit(t, "/order?id="+id, 1280, 800)
	for _, service := range traced {
		p.wait("a bar of "+service, fmt.Sprintf(`document.querySelector('.spans [data-service=%q] .bar')?.getBoundingClientRect().width > 0`, service))
	}
	for _, segment := range []string{"outbox", "stream", "work"} {
		p.wait("a bar of "+segment, fmt.Sprintf(`document.querySelector('.spans [data-segment=%q] .bar')`, segment))
	}
	looks := value[int](p, `new Set(['outbox', 'stream', 'work'].map((segment) => {
		const { backgroundImage, backgroundColor } = getComputedStyle(document.querySelector('.spans .bar.' + segment));
		return [backgroundImage.startsWith('none'), backgroundColor === 'rgba(0, 0, 0, 0)'].join();
	})).size`)
	if looks != 3 {
		t.Errorf("the three parts of a hop have %d patterns", looks)
	}
	p.wait("no bar outside of its track", `[...document.querySelectorAll('.spans .track')].every((track) => {
		const [of, bar] = [track.getBoundingClientRect(), track.firstChild.getBoundingClientRect()];
		return bar.left >= of.left - 1 && bar.right <= of.right + 4;
	})`)
	p.reads("[data-is=trace]", "over 7 processes")
	p.wait("all of it", `!document.querySelector('[data-is=trace]').textContent.includes('not complete')`)
	p.click(".spans [data-service=inventory][data-segment=work]")
	p.reads("[data-is=span]", "commit batch of inventory")
	p.pictureOf(".trace", "order-trace")
	p.accessible()
	p.do(chromedp.Focus(".spans [tabindex='0']"), chromedp.KeyEvent(kb.End))
	p.wait("the last span to be shown", `document.activeElement === [...document.querySelectorAll('.spans button')].at(-1) &&
		document.querySelector('[data-is=span] h3').textContent === document.activeElement.querySelector('b').textContent`)
	p.do(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowDown))
	p.wait("the second one", `document.activeElement === document.querySelectorAll('.spans button')[1] && document.activeElement.getAttribute('aria-current') === 'true'`)
	p.do(chromedp.EmulateViewport(390, 844))
	p.accessible()
	p.pictureOf(".trace", "order-trace-small")
}

// watchEnds: whoever watches an order gets the part that took longest at its end, and the command that draws it all.
func watchEnds(t *testing.T, s *shop) {
	id := s.Place(t, client.One("widget", 1))
	output, err := s.Sagactl(t.Context(), t, "watch", id).CombinedOutput()
	if err != nil || !strings.Contains(string(output), "slowest: ") || !strings.Contains(string(output), "sagactl trace "+id) {
		t.Errorf("%v: %s", err, output)
	}
	kit.Eventually(t, "the trace in the terminal", func() error {
		output, err = s.Sagactl(t.Context(), t, "trace", id).CombinedOutput()
		for _, want := range append(traced, "send OrderCreated", "receive OrderCreated", "process OrderCreated", "░", "─", "█") {
			if !strings.Contains(string(output), want) {
				return fmt.Errorf("%q is not in it: %w: %s", want, err, output)
			}
		}
		return err
	})
}

// searchTraces: failed and slow orders are found, and lead to their pages.
func searchTraces(t *testing.T, s *shop) {
	id := s.Place(t, declined())
	s.Ends(t, id)
	p := s.visit(t, "/traces", 1280, 800)
	row := fmt.Sprintf("[data-order=%q]", id)
	p.reads(row, "✖ compensated")
	p.reads("[data-step=charge]", "payment")
	p.do(chromedp.Click("[data-view=failed]", chromedp.ByQuery))
	p.wait("the address to keep it", `location.search.includes('state=failed')`)
	p.picture("traces")
	p.accessible()
	p.do(chromedp.KeyEvent("/"), chromedp.KeyEvent("no such order"))
	p.wait("nothing to match", `document.querySelectorAll('[data-order]').length === 0`)
	p.goTo("/traces?state=all&q=" + id)
	p.reads(row, "payment")
	p.do(chromedp.EmulateViewport(390, 844))
	p.accessible()
	p.click(row + " a")
	p.wait("the order's page", `location.pathname === '/order'`)
}
