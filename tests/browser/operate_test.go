//go:build browser

package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	wishes "example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// repaired: the refund of an order is refused, a person records how the money came back, and the order ends as if
// nothing had failed. Money and stock add up all the while.
func repaired(t *testing.T, s *shop) {
	wish := wishes.One("widget", 1)
	wish.Country, wish.Token = "AQ", "tok_refund_refused"
	id := s.Place(t, wish)
	p := s.visit(t, "/?show=attention", 1360, 900)
	p.row(id, "Compensating")
	p.goTo("/order?id=" + id)
	p.reads(".incident", "refund_refused")
	p.do(chromedp.Click(".incident a", chromedp.ByQuery))
	p.wait("the page of operators to be ready", `location.pathname === '/operate' && document.querySelector('main[data-ready=yes]') !== null`)
	p.reads("[data-is=books]", "Money and stock add up")
	p.reads("li[data-open=true] .waits", "waiting for")
	p.reads(".stands", "REFUND_REFUSED")
	p.reads("[data-process=payment]", "payment")
	p.reads(".breakers", "closed")
	p.picture("operate")
	p.everybody()
	p.do(chromedp.Click(`[name=step][value="resolve settlement"]`, chromedp.ByQuery),
		chromedp.SendKeys("[name=reference]", "transfer 4711", chromedp.ByQuery),
		chromedp.SendKeys("[name=by]", "grace", chromedp.ByQuery),
		chromedp.SendKeys("[name=why]", "the card has expired", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=said]", "Done: resolve settlement, by grace")
	p.reads("[data-is=resolved]", "resolved")
	p.reads(".history", "grace: the card has expired")
	if got := s.Ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order ended %s", got.Status)
	}
	p.wait("it to be open no more", fmt.Sprintf(`document.querySelector('[data-open=true] a[href="/order?id=%s"]') === null`, id))
	p.reads("[data-is=books][data-state=holds]", "Money and stock add up")
	p.do(chromedp.Click("nav.choice a:last-child", chromedp.ByQuery))
	p.reads("li[data-open=false] .waits", "resolved")
}

// repairRefused: what an operator wants for a state that is gone is refused in words, and changes nothing.
func repairRefused(t *testing.T, s *shop) {
	wish := wishes.One("widget", 1)
	wish.Country, wish.Token = "AQ", "tok_refund_refused"
	id := s.Place(t, wish)
	p := s.visit(t, "/operate", 320, 700)
	p.wait("the incident", fmt.Sprintf(`((a) => a && (a.closest('li').querySelector('.which').click(), true))(document.querySelector('[data-open=true] a[href="/order?id=%s"]'))`, id))
	p.reads(".stands", "REFUND_REFUSED")
	p.everybody()
	p.do(chromedp.Click(`[name=step][value="resolve refund"]`, chromedp.ByQuery),
		chromedp.SendKeys("[name=refund_id]", "re_none", chromedp.ByQuery),
		chromedp.SetValue("[name=by]", "grace", chromedp.ByQuery),
		chromedp.SendKeys("[name=why]", "somebody said so", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=said]", "The gateway shows no refund of the charge")
	p.do(chromedp.Click(`[name=step][value="resolve settlement"]`, chromedp.ByQuery), chromedp.SendKeys("[name=reference]", "cash", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=resolved]", "resolved")
	s.Ends(t, id)
}

// doesNotAddUp: a unit that nobody has delivered is found, and named, as long as it is there.
func doesNotAddUp(t *testing.T, s *shop) {
	stock, err := url.Parse(s.Superuser())
	kit.Must(t, err)
	stock.Path = "/inventory"
	p := s.visit(t, "/operate", 1360, 900)
	p.reads("[data-is=books][data-state=holds]", "Money and stock add up")
	kit.Query[int](t, stock.String(), `UPDATE stock SET available = available + 1 WHERE sku = 'gizmo' RETURNING 1`)
	defer kit.Query[int](t, stock.String(), `UPDATE stock SET available = available - 1 WHERE sku = 'gizmo' RETURNING 1`)
	p.reads("[data-is=books][data-state=broken]", "I3")
	p.reads("[data-is=books] .promise", "gizmo")
	p.everybody()
}

// letters: an event that was spoilt on its way is put right and handled, nonsense is dropped, and both are kept with who and why.
func letters(t *testing.T, s *shop) {
	id := s.Place(t, declined())
	s.Ends(t, id)
	said := events.PaymentFailed{Subject: events.Subject{OrderID: id}, Reason: "declined"} // again, of which the order takes no harm
	message, err := events.Encode(uuid.Must(uuid.NewV7()).String(), time.Now(), events.Cause{}, said)
	kit.Must(t, err)
	s.publish(t, said.Type().SubjectOf(id), strings.Replace(string(message), said.Type().String(), "saga.nobody.Nothing.v1", 1))
	s.publish(t, said.Type().SubjectOf("nobody"), "hello")
	p := s.visit(t, "/operate", 1360, 1000)
	choose := func(title string) {
		t.Helper()
		p.wait("the letter "+title, fmt.Sprintf(`[...document.querySelectorAll('[data-things=dead-letters] [data-open=true] .which')].some((a) => a.textContent.includes(%q) && (a.click(), true))`, title))
	}
	write := func(by, why string) {
		t.Helper()
		p.do(chromedp.SetValue("[name=by]", by, chromedp.ByQuery), chromedp.SetValue("[name=why]", why, chromedp.ByQuery))
		p.press("repair")
	}
	choose("saga.nobody.Nothing.v1")
	p.do(chromedp.Click("[name=step][value=redrive]", chromedp.ByQuery))
	p.reads("textarea", "saga.nobody.Nothing.v1")
	p.picture("operate-letter")
	p.everybody()
	p.do(chromedp.SetValue("textarea", "no JSON", chromedp.ByQuery))
	write("ada", "its type was wrong")
	p.reads("[data-is=said]", "The message is no JSON")
	p.do(chromedp.SetValue("textarea", string(message), chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=said]", "Done: redrive, by ada (redriven)")
	p.reads(".history", "its type was wrong")
	choose("a message of no type")
	p.do(chromedp.Click("[name=step][value=discard]", chromedp.ByQuery))
	write("ada", "it means nothing")
	p.reads("[data-is=said]", "Done: discard, by ada (discarded)")
	p.reads("[data-things=dead-letters] .choice", "0 open")
	p.goTo("/operate?show=all")
	p.reads("[data-things=dead-letters]", "✔ redriven")
	p.reads("[data-things=incidents]", "poison")
}

// publish says something with payment's login, which the test takes from the system's secrets.
func (s *shop) publish(t *testing.T, subject, message string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "secrets.json"))
	kit.Must(t, err)
	var secrets map[string]string
	kit.Must(t, json.Unmarshal(text, &secrets))
	at, err := url.Parse(s.At.NATS)
	kit.Must(t, err)
	conn, err := nats.Connect("nats://"+at.Host, nats.UserInfo("payment", secrets["nats_payment"]))
	kit.Must(t, err)
	defer conn.Close()
	kit.Must(t, conn.Publish(subject, []byte(message)))
	kit.Must(t, conn.Flush())
}
