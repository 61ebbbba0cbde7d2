//go:build browser

package browser

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	wishes "example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/kit"
)

// row waits until the list says of an order how it stands.
func (p *page) row(order, state string) {
	p.t.Helper()
	p.wait(order+" to be "+state, fmt.Sprintf(`document.querySelector('li[data-order="%s"]')?.dataset.state === %q`, order, state))
}

func declined() wishes.NewOrder {
	wish := wishes.One("gadget", 3)
	wish.Token = "tok_declined"
	return wish
}

func liveList(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1360, 900)
	good := s.Place(t, wishes.One("widget", 1)) // appears without a reload
	p.row(good, "Succeeded")
	bad := s.Place(t, declined())
	p.row(bad, "Failed")
	p.picture("sagas")
	p.everybody()
	p.do(chromedp.Click("[data-view=failed]", chromedp.ByQuery))
	p.row(bad, "Failed")
	p.wait("the other one to be gone", fmt.Sprintf(`!document.querySelector('li[data-order="%s"]')`, good))
	p.goTo(value[string](p, "location.pathname + location.search")) // the address keeps the question
	p.row(bad, "Failed")
	p.do(chromedp.Click("[data-view=all]", chromedp.ByQuery), chromedp.KeyEvent("/"), chromedp.KeyEvent("no such thing"))
	p.reads(".note", "Nothing matches")
	p.do(chromedp.Evaluate(`document.querySelector('input').value = ''; document.querySelector('input').dispatchEvent(new Event('input'))`, nil))
	p.row(good, "Succeeded")
	p.press("pause")
	late := s.Place(t, wishes.One("gizmo", 1))
	p.reads("[data-does=pause]", "1 new")
	if value[bool](p, fmt.Sprintf(`Boolean(document.querySelector('li[data-order="%s"]'))`, late)) {
		t.Error("the list went on while it stood still")
	}
	p.press("pause")
	p.row(late, "Succeeded")
}

func listSurvives(t *testing.T, s *shop) {
	p := s.visit(t, "/", 320, 700)
	before := s.Place(t, wishes.One("widget", 1))
	p.row(before, "Succeeded")
	p.do(chromedp.Evaluate(`document.body.dataset.same = 'page'`, nil))
	if err := s.Kill(supervisor.Console, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := s.Place(t, wishes.One("widget", 1))
	p.row(after, "Succeeded")
	p.row(before, "Succeeded")
	if !value[bool](p, `document.body.dataset.same === 'page'`) {
		t.Error("the page was loaded again")
	}
	p.everybody()
}

func manySagas(t *testing.T, s *shop) {
	p := s.visit(t, "/", 1360, 900)
	order := s.Place(t, wishes.One("widget", 1))
	p.row(order, "Succeeded")
	const many = `import('/assets/sagas/rows.js').then(({ Rows }) => {
		const rows = new Rows(), at = new Date().toISOString();
		const saga = (n) => ({order: 'order-' + n, first: n, last: n, state: n % 2 ? 'Succeeded' : 'Failed', step: '', what: '', services: {}, incidents: 0, began: at, at});
		rows.add({reset: true, reading: true, more: false, to: 0, sagas: Array.from({length: 30000}, (_, n) => saga(n))});
		return [rows.list.length, rows.list[0].first, rows.counts(Date.now()).failed, rows.chosen('all', 'order-29999', Date.now()).length].join();
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
	p.everybody()
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
	wish := wishes.One("widget", 2)
	wish.Token = "tok_slow" // the gateway takes a second
	id := s.Place(t, wish)
	p := s.visit(t, "/order?id="+id, 320, 700)
	p.reads(".expected", "Expected next")
	p.reads("[data-is=state]", "Succeeded") // without a reload
	p.picture("order-small")
	p.wait("the shipment", `document.querySelector('.forth[data-event=ShipmentCreated]') !== null`)
	p.everybody()
}

// rowsOfAnOrder: what each service keeps stands side by side and changes as the order goes on, and a process that was
// killed meanwhile leaves a mark in its lane.
func rowsOfAnOrder(t *testing.T, s *shop) {
	always := 0
	hold := endpoints.AdminRequest{Process: "shipping", Method: http.MethodPost, Path: "/faults", Body: failpoint.Armament{Point: failpoint.InboxReceived, Kind: failpoint.Hold, Times: &always}}
	kit.Must(t, s.At.AskAdmin(t.Context(), hold, nil))
	id := s.Place(t, wishes.One("widget", 2))
	p := s.visit(t, "/order?id="+id, 1360, 900)
	p.reads("[data-rows=payment] [data-table=payment]", "CAPTURED")
	p.reads("[data-rows=gateway] [data-table=ledger]", "charge")
	p.reads("[data-rows=inventory] [data-table=reservation]", "RESERVED")
	p.reads("[data-rows=inventory] [data-table=stock]", "widget")
	p.reads("[data-rows=shipping]", "nothing")
	kit.Must(t, s.Kill("payment", syscall.SIGKILL))
	p.reads("[data-mark='payment back']", "started anew")
	kit.Must(t, s.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: "shipping", Method: http.MethodDelete, Path: "/faults"}, nil))
	p.reads("[data-rows=order] [data-table=orders]", "CONFIRMED")
	p.reads("[data-rows=inventory] [data-table=reservation]", "SOLD")
	p.reads("[data-rows=shipping] [data-table=shipment]", "CREATED")
	p.reads("[data-rows=payment] [data-table=outbox]", "payment.PaymentProcessed.v1")
	p.press("earlier")
	p.reads("[data-is=heard]", "Heard by order after")
	p.reads("[data-is=heard]", "inventory after")
	p.picture("order-rows")
	p.everybody()
}
