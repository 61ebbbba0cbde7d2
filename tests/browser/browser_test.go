//go:build browser

package browser

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/tests/kit"
)

// pictures is where pictures for the documentation are written; without it they are artefacts of the test.
var pictures = flag.String("pictures", "", "a folder for the pictures")

// axe is the source of axe-core, which checks the pages; AXE names its file.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatalf("AXE does not name axe-core's source; make test-browser does: %v", err)
	}
	return string(source)
}

// patience is how long a page may take to show something, on a machine that is busy.
const patience = time.Minute

// shop is a running system, and a browser before it.
type shop struct {
	*kit.System
	browser context.Context //nolint:containedctx // that is what chromedp calls a browser
}

func open(t *testing.T) *shop {
	t.Helper()
	running := kit.Start(t, supervisor.Options{Faults: true, NoFsync: true, Deadline: 10 * time.Minute, Traces: 1})
	return &shop{System: running, browser: browser(t)}
}

// browser starts one that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	// The sandbox is refused to root, and the pages are our own.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("force-color-profile", "srgb"))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	kit.Must(t, chromedp.Run(browser))
	return browser
}

// page is a tab.
type page struct {
	t   *testing.T
	tab context.Context //nolint:containedctx // that is what chromedp calls a tab
	at  string
}

// visit opens an address of the console in a tab of its own.
func (s *shop) visit(t *testing.T, path string, width, height int64) *page {
	t.Helper()
	tab, closeTab := chromedp.NewContext(s.browser)
	t.Cleanup(closeTab)
	p := &page{t, tab, s.At.URLs[endpoints.Console]}
	chromedp.ListenTarget(tab, func(event any) {
		if thrown, is := event.(*runtime.EventExceptionThrown); is {
			t.Errorf("the page threw: %s", thrown.ExceptionDetails.Error())
		}
	})
	kit.Must(t, chromedp.Run(tab)) // it must not end with the first thing that is done in it
	p.do(cdppage.BringToFront(), chromedp.EmulateViewport(width, height))
	p.goTo(path)
	return p
}

func (p *page) goTo(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.at + path))
	p.wait("the page to be ready", `document.querySelector('main[data-ready=yes]') !== null`)
}

func (p *page) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits until a condition holds on the page.
func (p *page) wait(what, condition string) {
	p.t.Helper()
	err := kit.Until(p.tab, what, func() (err error) {
		var holds bool
		if err = chromedp.Run(p.tab, chromedp.Evaluate("Boolean("+condition+")", &holds)); err == nil && !holds {
			err = errors.New("not yet")
		}
		return err
	})
	if err != nil {
		var text string
		_ = chromedp.Run(p.tab, chromedp.Evaluate("document.body.innerText", &text))
		p.t.Fatalf("%v; the page shows:\n%s", err, text)
	}
}

// reads waits until an element contains a text.
func (p *page) reads(selector, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%s to contain %q", selector, text), fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, text))
}

// press presses a button as soon as it can be pressed.
func (p *page) press(does string) {
	p.t.Helper()
	button := fmt.Sprintf("[data-does=%q]", does)
	p.wait(button+" to be on", fmt.Sprintf("((b) => b?.disabled === false && (b.click(), true))(document.querySelector(%q))", button))
}

// click clicks on what a selector finds, in one step: a page that changes by itself may draw it anew at any moment.
func (p *page) click(selector string) {
	p.t.Helper()
	p.wait(selector, fmt.Sprintf("((e) => e && (e.click(), true))(document.querySelector(%q))", selector))
}

// value is the value of an expression on the page, or of the promise that it returns.
func value[T any](p *page, expression string) (v T) {
	p.t.Helper()
	await := func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }
	p.do(chromedp.Evaluate(expression, &v, await))
	return v
}

// picture keeps what the page shows.
func (p *page) picture(name string) {
	p.t.Helper()
	var png []byte
	p.do(chromedp.FullScreenshot(&png, 100))
	p.keep(name, png)
}

// pictureOf keeps what a part of the page shows.
func (p *page) pictureOf(selector, name string) {
	p.t.Helper()
	var png []byte
	p.do(chromedp.Screenshot(selector, &png, chromedp.ByQuery))
	p.keep(name, png)
}

func (p *page) keep(name string, png []byte) {
	p.t.Helper()
	dir := p.t.ArtifactDir()
	if *pictures != "" {
		dir = *pictures
	}
	kit.Must(p.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// accessible checks with axe-core that people with disabilities can use the page, in light and in dark, and that the
// page is not wider than the window.
func (p *page) accessible() {
	p.t.Helper()
	source := axe(p.t)
	for _, scheme := range []string{"light", "dark"} {
		p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
		p.do(chromedp.Evaluate(source, nil))
		found := value[string](p, `axe.run().then((r) => JSON.stringify(r.violations.map((v) =>
			({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html.slice(0, 160))}))))`)
		var violations []any
		kit.Must(p.t, json.Unmarshal([]byte(found), &violations))
		if len(violations) > 0 {
			p.t.Errorf("in %s: %s", scheme, found)
		}
		if wide := p.overflow(); wide > 0 {
			p.t.Errorf("in %s the page is %d pixels too wide", scheme, wide)
		}
	}
}

// overflow is how many pixels the page is wider than the window.
func (p *page) overflow() int {
	p.t.Helper()
	return value[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
}
