//go:build browser

package browser

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/kit"
)

// row waits until the list shows an order in a state.
func (p *page) row(order, state string) {
	p.t.Helper()
	p.wait(order+" to be "+state, fmt.Sprintf(`document.querySelector('li[data-order="%s"]')?.dataset.state === %q`, order, state))
}

func declined() client.NewOrder {
	wanted := client.One("gadget", 3)
	wanted.Token = "tok_declined"
	return wanted
}

func liveList(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1360, 900)
	good := s.Place(t, client.One("widget", 1)) // appears without a reload
	p.row(good, "Succeeded")
	bad := s.Place(t, declined())
	p.row(bad, "Failed")
	p.picture("sagas")
	p.accessible()
	p.do(chromedp.Click("[data-view=failed]", chromedp.ByQuery))
	p.row(bad, "Failed")
	p.wait("the other one to be gone", fmt.Sprintf(`!document.querySelector('li[data-order="%s"]')`, good))
	p.goTo(value[string](p, "location.pathname + location.search")) // the address keeps the question
	p.row(bad, "Failed")
	p.do(chromedp.Click("[data-view=all]", chromedp.ByQuery), chromedp.KeyEvent("/"), chromedp.KeyEvent("no such order"))
	p.reads(".note", "Nothing matches")
	p.do(chromedp.Evaluate(`{
		const search = document.querySelector('input');
		search.value = '';
		search.dispatchEvent(new Event('input'));
	}`, nil))
	p.row(good, "Succeeded")
	p.press("pause")
	late := s.Place(t, client.One("gizmo", 1))
	p.reads("[data-does=pause]", "1 new")
	if value[bool](p, fmt.Sprintf(`Boolean(document.querySelector('li[data-order="%s"]'))`, late)) {
		t.Error("the list changed while it was paused")
	}
	p.press("pause")
	p.row(late, "Succeeded")
}

func listSurvives(t *testing.T, s *shop) {
	p := s.visit(t, "/", 320, 700)
	before := s.Place(t, client.One("widget", 1))
	p.row(before, "Succeeded")
	p.do(chromedp.Evaluate(`document.body.dataset.same = 'page'`, nil))
	if err := s.Kill(supervisor.Console, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := s.Place(t, client.One("widget", 1))
	p.row(after, "Succeeded")
	p.row(before, "Succeeded")
	if !value[bool](p, `document.body.dataset.same === 'page'`) {
		t.Error("the page was loaded again")
	}
	p.accessible()
}

func manySagas(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1360, 900)
	order := s.Place(t, client.One("widget", 1))
	p.row(order, "Succeeded")
	const many = `import('/assets/sagas/list.js').then(({ SagaList }) => {
		const rows = new SagaList(), at = new Date().toISOString();
		const saga = (n) => ({order: 'order-' + n, first: n, last: n, state: n % 2 ? 'Succeeded' : 'Failed',
			step: '', what: '', services: {}, incidents: 0, began: at, at});
		rows.add({reset: true, current: true, more: false, to: 0,
			sagas: Array.from({length: 30000}, (_, n) => saga(n))});
		return [rows.list.length, rows.list[0].first, rows.counts(Date.now()).failed,
			rows.chosen('all', 'order-29999', Date.now()).length].join();
	})`
	if got := value[string](p, many); got != "20000,29999,10000,1" {
		t.Errorf("of 30,000 sagas the page keeps, begins with, counts and finds %s", got)
	}
	if in := value[int](p, "document.querySelectorAll('.window li').length"); in > 40 {
		t.Errorf("%d rows are made for a window that shows a dozen", in)
	}
}

func anOrder(t *testing.T, s *shop) {
	id := s.Place(t, declined())
	s.Ends(t, id)
	p := s.visit(t, "/order?id="+id, 1360, 900)
	p.reads("[data-is=state]", "Failed")
	p.reads(".back[data-event=PaymentFailed]", "card_declined")
	p.reads("tr[data-service=payment]", "DECLINED")
	p.reads("tr[data-service=inventory]", "RELEASED")
	p.reads(".expected", "Nothing more")
	p.picture("order-declined")
	p.accessible()
	p.press("earlier")
	p.press("earlier")
	at := value[string](p, "location.pathname + location.search + location.hash")
	if !strings.Contains(at, "#") {
		t.Errorf("the address is %s", at)
	}
	p.goTo("/")
	p.goTo(at) // leads others to the same event
	p.reads(".event[aria-current]", "PaymentFailed")
	p.reads("pre", `"type": "saga.payment.PaymentFailed.v1"`)
	p.press("follow")
	p.reads(".event[aria-current]", "OrderCancelled")
	p.goTo("/order?id=nonsense")
	p.reads(".note", "not the id of an order")
}

func followAnOrder(t *testing.T, s *shop) {
	s.holdShipping(t)
	id := s.Place(t, client.One("widget", 2))
	p := s.visit(t, "/order?id="+id, 320, 700)
	p.reads(".expected", "Expected next: shipping publishes")
	s.releaseShipping(t)
	p.reads("[data-is=state]", "Succeeded") // without a reload
	p.picture("order-small")
	p.wait("the shipment", `document.querySelector('.forth[data-event=ShipmentCreated]') !== null`)
	p.accessible()
}

// rowsOfAnOrder: the rows of all services stand side by side and follow the order, and a killed process leaves a mark
// in its lane.
func rowsOfAnOrder(t *testing.T, s *shop) {
	s.holdShipping(t)
	id := s.Place(t, client.One("widget", 2))
	p := s.visit(t, "/order?id="+id, 1360, 900)
	p.reads("[data-rows=payment] [data-table=payment]", "CAPTURED")
	p.reads("[data-rows=gateway] [data-table=charge]", "succeeded")
	p.reads("[data-rows=inventory] [data-table=reservation]", "RESERVED")
	p.reads("[data-rows=inventory] [data-table=stock]", "widget")
	p.reads("[data-rows=shipping]", "no rows")
	kit.Must(t, s.Kill("payment", syscall.SIGKILL))
	p.reads("[data-mark='payment back']", "restarted")
	s.releaseShipping(t)
	p.reads("[data-rows=order] [data-table=orders]", "CONFIRMED")
	p.reads("[data-rows=inventory] [data-table=reservation]", "SOLD")
	p.reads("[data-rows=shipping] [data-table=shipment]", "CREATED")
	p.reads("[data-rows=payment] [data-table=outbox]", "payment.PaymentProcessed.v1")
	p.press("earlier")
	p.reads("[data-is=handled]", "Handled by order after")
	p.reads("[data-is=handled]", "inventory after")
	p.picture("order-rows")
	p.accessible()
}

// holdShipping makes shipping wait before it handles an event, until releaseShipping.
func (s *shop) holdShipping(t *testing.T) {
	t.Helper()
	kit.Must(t, s.At.AskAdmin(t.Context(), endpoints.AdminRequest{
		Process: "shipping", Method: http.MethodPost, Path: "/faults",
		Body: failpoint.Armament{Point: failpoint.InboxReceived, Kind: failpoint.Hold, Times: new(0)},
	}, nil))
}

func (s *shop) releaseShipping(t *testing.T) {
	t.Helper()
	release := endpoints.AdminRequest{Process: "shipping", Method: http.MethodDelete, Path: "/faults"}
	kit.Must(t, s.At.AskAdmin(t.Context(), release, nil))
}
