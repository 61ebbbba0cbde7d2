//go:build browser

package browser

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
)

// fill writes into a field of a form, or chooses.
func (p *page) fill(name, text string) {
	p.t.Helper()
	const filled = `((field) => {
		if (!field) return false;
		field.value = %q;
		for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {bubbles: true}));
		return field.value === %[1]q;
	})(document.querySelector('[name=%s]'))`
	p.wait("a field "+name, fmt.Sprintf(filled, text, name))
}

// breaking opens the page and disarms what other tests have armed.
func (s *shop) breaking(t *testing.T, asked string, width, height int64) *page {
	t.Helper()
	p := s.visit(t, "/break"+asked, width, height)
	if cleared := value[bool](p, `fetch('/api/break/faults', {method: 'DELETE'}).then((answer) => answer.ok)`); !cleared {
		t.Error("the faults of the tests before could not be cleared")
	}
	p.wait("nothing to be armed", `document.querySelector('[data-is=armed]')?.textContent === '0'`)
	return p
}

// arm arms a fault with the form.
func (p *page) arm(service, point, kind, times string) {
	p.t.Helper()
	p.fill("service", service)
	p.fill("point", point)
	p.fill("kind", kind)
	p.fill("times", times)
	p.press("arm")
	p.wait("it to be armed", fmt.Sprintf(`document.querySelector("[data-fault='%s']") !== null`, point))
}

func crashNextOrder(t *testing.T, s *shop) {
	p := s.breaking(t, "", 1360, 900)
	p.fill("service", "payment")
	p.fill("point", "inbox.after_commit")
	p.reads("[data-is=sentence]", "Committed, and the broker does not know.")
	p.arm("payment", "inbox.after_commit", "crash", "1")
	p.reads("[data-is=armed]", "1")
	p.picture("break")
	p.accessible()
	p.goTo("/place")
	p.press("place")
	p.wait("an order", `document.querySelector('[data-is=order]') !== null`)
	id := value[string](p, `document.querySelector('[data-is=order]').textContent`)
	p.reads("[data-is=state]", "Succeeded") // payment has died, and knows what it had asked for
	if captured, refunded := s.Gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds", captured, refunded)
	}
	p.goTo("/break")
	p.reads("[data-fired='inbox.after_commit']", id)
	if fired := value[int](p, `document.querySelectorAll("[data-fired='inbox.after_commit']").length`); fired != 1 {
		t.Errorf("the fault was armed for one order, and has fired %d times", fired)
	}
	p.reads("[data-is=armed]", "0")
}

func countAndClear(t *testing.T, s *shop) {
	p := s.breaking(t, "?service=inventory&point=inbox.before_commit&kind=error", 320, 700)
	p.fill("times", "2")
	p.press("arm")
	p.reads("[data-is=armed]", "1")
	id := s.Place(t, client.One("widget", 1))
	p.reads("[data-fault='inbox.before_commit'] small", "2 fired: done")
	if got := s.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s", got.Status)
	}
	p.arm("shipping", "relay.taken", "delay", "0")
	p.reads("[data-fault='relay.taken']", "delay of 500ms at relay.taken in shipping, every time")
	p.arm("notification", "mail.marked", "delay", "1")
	p.accessible()
	p.do(chromedp.Evaluate(`document.querySelector("[data-fault='inbox.before_commit'] button").click()`, nil))
	p.wait("one to be cleared, and not the other",
		`!document.querySelector("[data-fault='inbox.before_commit']") && document.querySelector("[data-fault='relay.taken']")`)
	p.press("clear-all")
	p.wait("nothing to be armed", `!document.querySelector('[data-fault]')`)
	p.reads("[data-is=armed]", "0")
}

func killAService(t *testing.T, s *shop) {
	p := s.visit(t, "/break", 1360, 900)
	for _, does := range []string{"kill-inventory", "end-inventory"} {
		p.wait("inventory to answer", `document.querySelector('[data-process=inventory]')?.textContent.includes('answers')`)
		before := value[string](p, `document.querySelector('[data-process=inventory]').dataset.pid`)
		p.press(does)
		p.reads("dialog[open]:not(.frame dialog)", "is restarted")
		p.accessible()
		p.press("sure")
		const other = `((row) => row.textContent.includes('✔') && ![undefined, %q].includes(row.dataset.pid))` +
			`(document.querySelector('[data-process=inventory]'))`
		p.wait("it to be another process", fmt.Sprintf(other, before))
		if got := s.Ends(t, s.Place(t, client.One("widget", 1))); got.Status != order.CONFIRMED {
			t.Errorf("after %s the order is %s", does, got.Status)
		}
	}
}

func pauseAConsumer(t *testing.T, s *shop) {
	p := s.visit(t, "/break", 1360, 900)
	p.press("pause-shipping")
	p.reads("[data-process=shipping]", "consumes nothing for")
	id := s.Place(t, client.One("widget", 1))
	s.AwaitState(t, "payment", "payment", id, "CAPTURED")
	p.reads("[data-process=shipping]", "1 waiting")
	if got := s.State(t, "shipping", "shipment", id); got != "" {
		t.Errorf("shipping is paused, and has the order %s", got)
	}
	p.press("resume-shipping")
	if got := s.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s", got.Status)
	}
	p.reads("[data-process=shipping]", "0 waiting")
}

func gatewayMisbehaves(t *testing.T, s *shop) {
	p := s.visit(t, "/break", 1360, 900)
	p.reads("[data-is=gateway]", "no faults")
	p.fill("drop_after", "100")
	p.press("gateway")
	p.reads("[data-is=gateway]", "misbehaves")
	id := s.Place(t, client.One("widget", 1))
	s.AwaitState(t, "payment", "payment", id, "UNKNOWN") // charged, and payment got no answer
	p.press("gateway-well")
	p.reads("[data-is=gateway]", "no faults")
	if got := s.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s", got.Status)
	}
	if captured, _ := s.Gateway(t, id); captured != 1 {
		t.Errorf("the gateway has charged %d times", captured)
	}
	p.fill("error_before", "60")
	p.fill("error_after", "60")
	p.press("gateway")
	p.reads(".note", "the rates come to 120 %")
	p.press("gateway-well")
}

func breakPageSurvives(t *testing.T, s *shop) {
	p := s.visit(t, "/break", 800, 600)
	p.wait("the services", `document.querySelector('[data-process=order]') !== null`)
	if err := s.Kill(supervisor.Console, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.reads(".note", "The console does not answer.")
	p.wait("the page to continue", `document.querySelector('.note').textContent === ''`)
	p.press("pause-shipping")
	p.reads("[data-process=shipping]", "consumes nothing for")
	p.press("resume-shipping")
	p.wait("shipping to consume", `!document.querySelector('[data-is=paused]')`)
}

func brokenBesideItsField(t *testing.T, s *shop) {
	p := s.visit(t, "/place", 320, 700)
	for _, wrong := range []struct{ name, text, right, problem string }{
		{"quantity", "0", "1", "/items/0/quantity"},
		{"sku", "phlogiston", "widget", `there is no SKU "phlogiston"`},
		{"country", "Germany", "DE", "/ship_to/country"},
		{"email", "nobody", "", "/contact_email"},
		{"total", "1", "", "the order costs"},
	} {
		p.fill(wrong.name, wrong.text)
		p.press("place")
		p.reads(fmt.Sprintf("[data-field=%s] .problem", wrong.name), wrong.problem)
		p.fill(wrong.name, wrong.right)
	}
	p.accessible()
	p.fill("card", "tok_declined")
	p.reads("[data-is=card]", "Declined with card_declined")
	p.press("place")
	p.reads("[data-is=state]", "Failed")
	if wrong := value[int](p, `document.querySelectorAll('[data-wrong]').length`); wrong != 0 {
		t.Errorf("the order was placed, and %d fields are wrong", wrong)
	}
}

func aLoad(t *testing.T, s *shop) {
	p := s.visit(t, "/place", 1360, 900)
	p.fill("rate", "20")
	p.fill("seconds", "5")
	p.fill("declined", "30")
	p.press("load")
	p.reads("[data-is=load]", "Placing 20 orders a second")
	p.wait("bars to grow while it runs", `document.querySelector('[data-chart=completed] rect') &&
		document.querySelector('[data-is=load]').textContent.startsWith('Placing')`)
	p.reads("[data-is=load]", "The load has ended.")
	p.picture("place")
	p.accessible()
	counts := value[map[string]string](p,
		`Object.fromEntries([...document.querySelectorAll('b[data-count]')].map((b) => [b.dataset.count, b.textContent]))`)
	if counts["placed"] != "100" || counts["refused"] != "0" || counts["open"] != "0" ||
		counts["confirmed"] == "0" || counts["cancelled"] == "0" {
		t.Errorf("20 orders a second for 5 seconds come to %v", counts)
	}
	label := value[string](p, `document.querySelector('[data-chart=completed] svg').getAttribute('aria-label')`)
	if !strings.Contains(label, "100 orders: half within") {
		t.Errorf("the histogram is labelled %q", label)
	}
	p.fill("seconds", "60")
	p.press("load")
	p.reads("[data-is=load]", "for 60 seconds")
	p.press("stop")
	p.reads("[data-is=load]", "The load has ended.")
	if placed := value[int](p, `Number(document.querySelector('b[data-count=placed]').textContent)`); placed > 600 {
		t.Errorf("it was stopped, and has placed %d orders", placed)
	}
}

// nothingToBreak visits a console without admin listeners, as where faults are not enabled.
func nothingToBreak(t *testing.T, s *shop) {
	at := s.At
	at.Admin = nil
	p := s.visit(t, "/", 800, 600)
	p.at = startConsole(t, at)
	p.goTo("/break")
	p.reads("[data-is=off]", "Nothing can be broken here: this works only where faults are enabled: make demo enables them")
	if buttons := value[int](p, `document.querySelectorAll('main button').length`); buttons != 0 {
		t.Errorf("there are %d buttons", buttons)
	}
	p.accessible()
	p.goTo("/place") // orders can be placed all the same
	p.press("place")
	p.reads("[data-is=state]", "Succeeded")
}
