//go:build browser

package browser

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestConsole is everything that people do with the console, over one running system.
func TestConsole(t *testing.T) {
	s := open(t)
	for name, test := range map[string]func(*testing.T, *shop){
		"new sagas appear, and are filtered, searched and paused":        liveList,
		"a killed console loses nothing, and the page continues":         listSurvives,
		"a console that is silent is noticed, and every page continues":  silentConsole,
		"a proxy that answers 502 is waited for by every page":           brokenProxy,
		"ages are by the console's clock":                                wrongClock,
		"a list of many sagas stays small":                               manySagas,
		"an order is read event by event":                                anOrder,
		"an order is followed while it happens":                          followAnOrder,
		"a refused refund is repaired, and everything adds up":           repaired,
		"a dead letter is corrected and redriven, another one discarded": letters,
		"a unit too many in the stock turns the line red":                doesNotAddUp,
		"a list that is longer than a page is shown to its end":          olderOnes,
		"a wrong repair is refused with a reason":                        repairRefused,
		"an order's rows stand side by side, and a kill leaves a mark":   rowsOfAnOrder,
		"the simulator steps forward, fails and goes back":               modelSteps,
		"the simulator's last event has the reason of the scenario":      reasons,
		"every scenario ends, and its address leads to each step":        everyScenario,
		"state and payload stand on a projector's first screen":          firstScreen,
		"the simulator is used by keyboard and on a small screen":        smallAndByKeyboard,
		"whatever is done at any step, the model ends":                   anyStep,
		"the model keeps the protocol's promises":                        modelIsSound,
		"the model agrees with the events of real orders":                modelAgrees,
		"a real order is held at every step":                             liveSucceeds,
		"a failure is injected into a real order":                        liveFails,
		"a real service crashes between commit and publish":              liveCrash,
		"a real order is cancelled while it is held":                     liveCancel,
		"the versioning explorer recommends what fits":                   versioning,
		"contexts and priorities change what the explorer recommends":    everyPosition,
		"the versioning explorer explains the workflow, also in small":   workflow,
		"the quality scenarios are a tree that opens":                    scenarios,
		"payment crashes for the next order, which is confirmed":         crashNextOrder,
		"armed faults are counted and cleared":                           countAndClear,
		"a killed and a terminated service come back":                    killAService,
		"the first page's three steps show what a kill does":             firstThreeSteps,
		"a service is killed for a while":                                killForAWhile,
		"a process or a broker that is stopped is red in the strip":      stoppedProcesses,
		"a module that did not load is loaded again":                     brokenModule,
		"only the broker is away, and nobody else is blamed":             onlyTheBroker,
		"a paused consumer waits until it is resumed":                    pauseAConsumer,
		"a gateway that loses answers charges once":                      gatewayMisbehaves,
		"the page to break things continues with another console":        breakPageSurvives,
		"where faults are not enabled nothing can be broken":             nothingToBreak,
		"a problem of an order stands beside its field":                  brokenBesideItsField,
		"a load has a histogram, and stops":                              aLoad,
		"where nothing is traced the page explains how to":               noTrace,
		"an order's trace is a waterfall":                                aWaterfall,
		"a watched order ends with its slowest part":                     watchEnds,
		"slow and failed orders are found by their traces":               searchTraces,
		"an unknown address has its own page":                            nowhere,
		"no page is too wide, from 320 pixels to 4K":                     anySize,
		"light or dark is chosen, remembered, and there from the start":  lightOrDark,
		"? shows the keys, / goes to the search, the first link past":    keys,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
	s.Holds(t)
}

// is waits until the saga and its four services, in their order, have these states.
func (p *page) is(state, services string) {
	p.t.Helper()
	p.reads("[data-is=saga-state]", state)
	const words = `[...document.querySelectorAll('[data-service]')].map((b) => b.dataset.word).join(' ')`
	p.wait("the services to be "+services, fmt.Sprintf(words+" === %q", services))
}

// reasons: the end of each scenario carries the reason of what happened in it.
func reasons(t *testing.T, s *shop) {
	for scenario, reason := range map[string]string{
		"declined": "card_declined", "out-of-stock": "out_of_stock", "unshippable": "destination_not_served",
		"refund-refused": "destination_not_served", "cancel": "customer",
	} {
		p := s.visit(t, "/simulator?scenario="+scenario+"&step=60", 1360, 900)
		p.reads(".payload", "OrderCancelled")
		p.reads(".payload pre", `"reason": "`+reason+`"`)
	}
}

// firstScreen is what a class sees without scrolling, at 1280 × 800, in the middle of a compensation.
func firstScreen(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?scenario=declined&step=3", 1280, 800)
	p.reads(".payload pre", "card_declined")
	for _, short := range []string{"shipping", "notification", supervisor.Registry} { // after it, the strip has more to show
		kit.Must(t, s.Kill(short, syscall.SIGSTOP))
		p.reads("[data-runs="+short+"]", "✖ "+short+" away")
		kit.Must(t, s.Kill(short, syscall.SIGCONT))
		p.reads("[data-runs="+short+"] [data-is=back]", "back after")
	}
	for _, shown := range []string{"[data-is=saga-state]", "[data-does=next]", ".picture", ".status", ".payload pre"} {
		if bottom := value[float64](p, fmt.Sprintf("document.querySelector(%q).getBoundingClientRect().bottom", shown)); bottom > 800 {
			t.Errorf("%s ends at %.0f of 800 pixels", shown, bottom)
		}
	}
	p.picture("simulator-projector")
	p.accessible()
}

func modelSteps(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1360, 900)
	p.is("In Progress", "Pending Pending Pending Pending")
	for _, step := range []string{"Step 1:", "Step 2:", "Step 3:"} {
		p.press("next")
		p.reads(".status", step)
	}
	p.is("In Progress", "Processing Committed Committed Processing")
	p.reads(".payload", "charge_id") // the payload on the active arrow
	p.press("back")
	p.is("In Progress", "Processing Committed Processing Pending")
	p.press("fail") // the chapter's example
	p.reads(".status", "Step 3a:")
	p.is("Compensating", "Processing Compensating Not done Pending")
	p.wait("a red arrow from payment to inventory",
		`document.querySelector('.way.back.active .event')?.textContent === 'PaymentFailed'`)
	p.picture("simulator-declined")
	p.accessible()
	p.press("next")
	p.reads(".status", "Step 4a:")
	p.press("next")
	p.reads(".status", "Step 5a:")
	p.is("Failed", "Compensated Compensated Not done Pending")
	p.press("reset")
	p.is("In Progress", "Pending Pending Pending Pending")
}

// endings are how the scenarios end.
var endings = map[string]string{"success": "Succeeded", "cancel-too-late": "Succeeded", "duplicate": "Succeeded", "crash": "Succeeded"}

func everyScenario(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1360, 900)
	scenarios := value[[]struct{ ID, Plays string }](p,
		`import('/assets/simulator/scenarios.js').then((m) => m.scenarios.map((s) => ({ID: s.id, Plays: s.plays})))`)
	if len(scenarios) < 10 {
		t.Errorf("there are %d scenarios", len(scenarios))
	}
	for _, scenario := range scenarios {
		p.goTo(fmt.Sprintf("/simulator?scenario=%s&step=%d", scenario.ID, len(scenario.Plays)-1))
		p.wait("every press to have been possible",
			fmt.Sprintf("document.querySelectorAll('.steps li').length === %d", len(scenario.Plays)-1))
		p.press("next")
		want := endings[scenario.ID]
		if want == "" {
			want = "Failed"
		}
		p.reads("[data-is=saga-state]", want)
		p.wait("nothing to be left to do", `document.querySelector('[data-does=next]').disabled`)
		at := value[string](p, "location.search")
		if !strings.Contains(at, fmt.Sprintf("step=%d", len(scenario.Plays))) {
			t.Errorf("%s: the address is %s", scenario.ID, at)
		}
	}
	p.goTo("/simulator?scenario=refund-refused&step=6")
	p.reads(".saga-state", "Needs attention")
	p.picture("simulator-refund-refused")
}

func smallAndByKeyboard(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?scenario=unshippable", 320, 700)
	for range 5 {
		p.do(chromedp.KeyEvent(kb.ArrowRight))
	}
	p.reads(".status", "Step 5a:")
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	p.reads(".status", "Step 4a:")
	p.accessible()
	p.picture("simulator-small")
}

// step presses Next step as often as services are named, each as soon as it really holds the order.
func (p *page) step(services ...string) {
	p.t.Helper()
	for _, service := range services {
		p.reads("[data-does=next]", service+" is held")
		p.press("next")
	}
}

func (p *page) orderID() string {
	p.t.Helper()
	p.wait("an order", `new URLSearchParams(location.search).get('order') !== null`)
	return value[string](p, `new URLSearchParams(location.search).get('order')`)
}

func liveSucceeds(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?mode=live", 1360, 900)
	p.press("next")
	p.reads("[data-does=next]", "Inventory is held")
	id := p.orderID()
	if got := s.State(t, "inventory", "reservation", id); got != "" {
		t.Errorf("inventory is held, and has the order %s", got)
	}
	p.step("Inventory")
	p.reads("[data-does=next]", "Payment is held")
	s.AwaitState(t, "inventory", "reservation", id, "RESERVED")
	if got := s.State(t, "payment", "payment", id); got != "" {
		t.Errorf("payment is held, and has the order %s", got)
	}
	p.reads(".payload", id) // the real payload
	p.picture("simulator-live")
	p.accessible()
	p.goTo(value[string](p, "location.pathname + location.search")) // whoever comes later sees the same
	p.step("Payment", "Shipping", "Order", "Inventory")
	p.is("Succeeded", "Committed Committed Committed Committed")
	p.reads("[data-service=inventory]", "SOLD")
	s.AwaitState(t, "inventory", "reservation", id, "SOLD")
	p.press("reset")
}

func liveFails(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?mode=live", 1360, 900)
	p.press("next")
	first := p.orderID()
	p.step("Inventory")
	p.reads("[data-does=next]", "Payment is held")
	p.press("fail")
	p.is("Compensating", "Processing Compensating Not done Pending")
	id := p.orderID()
	p.reads(".notes", first) // the page shows that this is another order
	p.step("Inventory", "Order")
	p.is("Failed", "Compensated Compensated Not done Pending")
	s.AwaitState(t, "payment", "payment", id, "DECLINED")
	if got := s.Ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order is %s", got.Status)
	}
	if got := s.Ends(t, first); got.Status != order.CONFIRMED {
		t.Errorf("the order that was released is %s", got.Status)
	}
	p.press("reset")
}

func liveCrash(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?mode=live", 1360, 900)
	p.press("next")
	p.step("Inventory")
	p.reads("[data-does=next]", "Payment is held")
	id := p.orderID()
	p.press("x")
	p.step("Shipping", "Order", "Inventory")
	p.is("Succeeded", "Committed Committed Committed Committed")
	if captured, refunded := s.Gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds", captured, refunded)
	}
	p.press("reset")
}

func liveCancel(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator?mode=live", 1360, 900)
	p.press("next")
	p.step("Inventory")
	p.reads("[data-does=next]", "Payment is held")
	id := p.orderID()
	p.press("c")
	p.reads(".steps", "OrderCancelRequested")
	p.stepToTheEnd()
	if got := s.Ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order is %s", got.Status)
	}
	p.press("reset")
}

// stepToTheEnd presses Next step, whatever is held, until the saga has ended.
func (p *page) stepToTheEnd() {
	p.t.Helper()
	for range 12 {
		const state = `document.querySelector('[data-is=saga-state]').textContent`
		p.wait("something to be held, or the end",
			`!document.querySelector('[data-does=next]').disabled || ['Failed', 'Succeeded'].includes(`+state+`)`)
		if now := value[string](p, state); now == "Failed" || now == "Succeeded" {
			return
		}
		p.press("next")
	}
	p.t.Error("the saga did not end")
}

func nowhere(t *testing.T, s *shop) {
	p := s.visit(t, "/nowhere", 800, 600)
	p.reads("h1", "There is no such page")
	p.accessible()
	p.goTo("/")
	p.accessible()
}
