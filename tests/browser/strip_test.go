//go:build browser

package browser

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// away kills a service for longer than a busy machine takes to show it.
func (p *page) away(service string) {
	p.t.Helper()
	const kill = `fetch('/api/break/processes/%s/kill', {method: 'POST', body: '{"for": "30s"}'}).then((answer) => answer.ok)`
	if !value[bool](p, fmt.Sprintf(kill, service)) {
		p.t.Fatalf("%s was not killed", service)
	}
	p.reads("[data-runs="+service+"]", "✖ "+service+" away")
}

// waitedFor reads that orders wait for a service: one, or more where other tests have left some.
func (p *page) waitedFor(service string) {
	p.t.Helper()
	p.wait("orders to wait for "+service, fmt.Sprintf(`/, (1 order waits|\d+ orders wait) for it/.test(document.querySelector('[data-runs=%s]').textContent)`, service))
}

// firstThreeSteps does what the first page offers: it kills payment, places an order, and follows it.
func firstThreeSteps(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1280, 800)
	p.picture("first")
	p.accessible()
	p.wait("everything to run", `document.querySelectorAll('[data-runs]').length > 5 && !document.querySelector('[data-answers=false]')`)
	p.press("kill-payment")
	p.reads(".landing .result", "Payment was killed")
	p.reads("[data-runs=payment]", "✖ payment away")
	p.reads("[data-runs=payment] [data-is=back]", "back after")
	p.away("payment")
	p.press("place")
	p.reads("h1", "Order")
	id := value[string](p, `new URLSearchParams(location.search).get('id')`)
	p.waitedFor("payment")
	p.reads("main [data-is=waiting]", "Waits for charge by payment") // not the strip's
	p.picture("killed")
	p.accessible()
	p.reads("[data-runs=payment] [data-is=back]", "back after")
	if got := s.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s", got.Status)
	}
	p.goTo("/")
	p.do(chromedp.Evaluate(`document.querySelector('[data-does=simulator]').click()`, nil))
	p.reads("h1", "Saga flow simulator")
}

// killForAWhile kills a service on the page that breaks things; its row and the strip show what becomes of it.
func killForAWhile(t *testing.T, s *shop) {
	p := s.visit(t, "/break", 1360, 900)
	p.press("kill-away-shipping")
	p.press("sure")
	p.reads("[data-note=shipping]", "shipping was killed, and stays away for 10 seconds")
	p.reads("[data-runs=shipping]", "✖ shipping away")
	p.reads("[data-runs=shipping] [data-is=back]", "back after")
	p.away("shipping")
	id := s.Place(t, client.One("widget", 1))
	p.reads(fmt.Sprintf("[aria-label='Sagas under way'] [data-order='%s']", id), "In Progress")
	p.waitedFor("shipping")
	p.reads("[data-runs=shipping] [data-is=back]", "back after")
	p.reads(fmt.Sprintf("[aria-label='Sagas under way'] [data-order='%s']", id), "Succeeded")
}

// onlyTheBroker is away: each page shows that, blames nobody else, and has what needs no broker.
func onlyTheBroker(t *testing.T, s *shop) {
	kit.Must(t, s.Kill(supervisor.NATS, syscall.SIGSTOP))
	defer func() { kit.Must(t, s.Kill(supervisor.NATS, syscall.SIGCONT)) }()
	id := s.Place(t, client.One("widget", 1))
	p := s.visit(t, "/order?id="+id, 1280, 800)
	p.reads(".order [role=status]", "broker does not answer")
	p.reads("[data-rows=order] [data-table=outbox]", "not yet")
	p.accessible()
	p.goTo("/operate")
	p.reads(".lags .note", "the broker does not answer")
	p.wait("no service to be blamed", `document.querySelectorAll('.lags tbody td[data-column=unpublished]').length > 3 && !document.querySelector('.lags tbody td[colspan]')`)
	kit.Must(t, s.Kill(supervisor.NATS, syscall.SIGCONT))
	if got := s.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s", got.Status)
	}
	p.goTo("/order?id=" + id)
	p.reads("[data-is=state]", "Succeeded")
}

// stoppedProcesses shows processes that refuse nothing and answer nothing, the broker among them.
func stoppedProcesses(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 390, 844)
	for process, name := range map[string]string{supervisor.NATS: "broker", supervisor.Registry: supervisor.Registry} {
		kit.Must(t, s.Kill(process, syscall.SIGSTOP))
		p.reads(fmt.Sprintf("[data-runs=%s]", name), "✖ "+name+" away")
		kit.Must(t, s.Kill(process, syscall.SIGCONT))
		p.reads(fmt.Sprintf("[data-runs=%s]", name), "✔ "+name)
	}
	p.accessible()
}
