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

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// repaired: a refund is refused, an operator records that the money was returned by other means, and the order ends
// cancelled. Money and stock add up all the time.
func repaired(t *testing.T, s *shop) {
	wanted := client.One("widget", 1)
	wanted.Country, wanted.Token = "AQ", "tok_refund_refused"
	id := s.Place(t, wanted)
	p := s.visit(t, "/?show=attention", 1360, 900)
	p.row(id, "Compensating")
	p.goTo("/order?id=" + id)
	p.reads(".incident", "refund_refused")
	p.click(".incident a")
	p.wait("the page of operators to be ready", `location.pathname === '/operate' && document.querySelector('main[data-ready=yes]') !== null`)
	p.reads("[data-is=invariants]", "Money and stock add up")
	p.reads("li[data-open=true] .waits", "waiting for")
	p.reads(".facts", "REFUND_REFUSED")
	p.reads("[data-process=payment]", "payment")
	p.reads(".breakers", "closed")
	p.picture("operate")
	p.accessible()
	p.click(`[name=step][value="resolve settlement"]`)
	p.do(chromedp.SendKeys("[name=reference]", "transfer 4711", chromedp.ByQuery),
		chromedp.SendKeys("[name=by]", "grace", chromedp.ByQuery),
		chromedp.SendKeys("[name=why]", "the card has expired", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=result]", "Done: resolve settlement, by grace")
	p.reads("[data-is=resolved]", "resolved")
	p.reads(".history", "grace: the card has expired")
	if got := s.Ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order ended %s", got.Status)
	}
	p.wait("it to be closed", fmt.Sprintf(`!document.querySelector('[data-open=true] a[href="/order?id=%s"]')`, id))
	p.reads("[data-is=invariants][data-state=holds]", "Money and stock add up")
	p.click("nav.choice a:last-child")
	p.reads("li[data-open=false] .waits", "resolved")
}

// repairRefused: an action that cannot be recorded is refused with a reason, and changes nothing; the form stays.
func repairRefused(t *testing.T, s *shop) {
	wanted := client.One("widget", 1)
	wanted.Country, wanted.Token = "AQ", "tok_refund_refused"
	id := s.Place(t, wanted)
	p := s.visit(t, "/operate", 320, 700)
	p.wait("the incident", fmt.Sprintf(`((a) => a && (a.closest('li').querySelector('.which').click(), true))`+
		`(document.querySelector('[data-open=true] a[href="/order?id=%s"]'))`, id))
	p.reads(".facts", "REFUND_REFUSED")
	p.accessible()
	p.click(`[name=step][value="resolve settlement"]`)
	p.do(chromedp.SendKeys("[name=reference]", strings.Repeat("é", 200), chromedp.ByQuery),
		chromedp.SetValue("[name=by]", "grace", chromedp.ByQuery),
		chromedp.SendKeys("[name=why]", "the customer called", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=result]", "A reference has at most 200 bytes")
	if state := s.State(t, "payment", "payment", id); state != "REFUND_REFUSED" {
		t.Errorf("the payment is %s", state)
	}
	p.do(chromedp.SetValue("[name=reference]", "cash", chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=resolved]", "resolved")
	s.Ends(t, id)
}

// doesNotAddUp: a unit of stock from nowhere is found and named.
func doesNotAddUp(t *testing.T, s *shop) {
	stock, err := url.Parse(s.Superuser())
	kit.Must(t, err)
	stock.Path = "/inventory"
	p := s.visit(t, "/operate", 1360, 900)
	p.reads("[data-is=invariants][data-state=holds]", "Money and stock add up")
	kit.Query[int](t, stock.String(), `UPDATE stock SET available = available + 1 WHERE sku = 'gizmo' RETURNING 1`)
	defer kit.Query[int](t, stock.String(), `UPDATE stock SET available = available - 1 WHERE sku = 'gizmo' RETURNING 1`)
	p.reads("[data-is=invariants][data-state=broken]", "I3")
	p.reads("[data-is=invariants] .invariant", "gizmo")
	p.accessible()
}

// letters: a corrupted event is corrected and redriven, a message that is no event is discarded, and both actions are
// recorded with name and reason.
func letters(t *testing.T, s *shop) {
	id := s.Place(t, declined())
	s.Ends(t, id)
	event := events.PaymentFailed{Subject: events.Subject{OrderID: id}, Reason: "declined"} // the order has failed already
	message, err := events.Encode(uuid.Must(uuid.NewV7()).String(), time.Now(), events.Cause{}, event)
	kit.Must(t, err)
	s.publish(t, event.Type().SubjectOf(id), strings.Replace(string(message), event.Type().String(), "saga.nobody.Nothing.v1", 1))
	s.publish(t, event.Type().SubjectOf("nobody"), "hello")
	p := s.visit(t, "/operate", 1360, 1000)
	choose := func(title string) {
		t.Helper()
		const open = "[data-items=dead-letters] [data-open=true] .which"
		p.wait("the dead letter "+title, fmt.Sprintf(`[...document.querySelectorAll(%q)]`+
			`.some((a) => a.textContent.includes(%q) && (a.click(), true))`, open, title))
	}
	write := func(by, why string) {
		t.Helper()
		p.do(chromedp.SetValue("[name=by]", by, chromedp.ByQuery),
			chromedp.SetValue("[name=why]", why, chromedp.ByQuery))
		p.press("repair")
	}
	choose("saga.nobody.Nothing.v1")
	p.click("[name=step][value=redrive]")
	p.reads("textarea", "saga.nobody.Nothing.v1")
	p.picture("operate-letter")
	p.accessible()
	p.do(chromedp.SetValue("textarea", "no JSON", chromedp.ByQuery))
	write("ada", "its type was wrong")
	p.reads("[data-is=result]", "The message is no JSON")
	p.do(chromedp.SetValue("textarea", string(message), chromedp.ByQuery))
	p.press("repair")
	p.reads("[data-is=result]", "Done: redrive, by ada (redriven)")
	p.reads(".history", "its type was wrong")
	choose("a message without a type")
	p.click("[name=step][value=discard]")
	write("ada", "it means nothing")
	p.reads("[data-is=result]", "Done: discard, by ada (discarded)")
	p.reads("[data-items=dead-letters] .choice", "0 open")
	p.goTo("/operate?show=all")
	p.reads("[data-items=dead-letters]", "✔ redriven")
	p.reads("[data-items=incidents]", "poison")
}

// publish publishes a message with payment's login, which the test takes from the system's secrets.
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

// olderOnes: a list that is longer than a page says so, and its button goes on to the oldest, without the others.
func olderOnes(t *testing.T, s *shop) {
	letters, err := url.Parse(s.Superuser())
	kit.Must(t, err)
	letters.Path = "/shipping"
	const made = 450
	kit.Query[int](t, letters.String(), `
		WITH made AS (
			INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason, first_at)
			SELECT gen_random_uuid(), n, n, 'older ' || n || '.', 'older', '', 'made', now() - interval '1 hour' - n * interval '1 s'
			FROM generate_series(1, $1::int) n RETURNING 1)
		SELECT count(*)::int FROM made`, made)
	defer kit.Query[int](t, letters.String(), `WITH gone AS (DELETE FROM dead_letter WHERE subject = 'older' RETURNING 1) SELECT count(*)::int FROM gone`)
	p := s.visit(t, "/operate", 1360, 900)
	const list, older = `document.querySelector('[data-items=dead-letters]')`, `document.querySelector('[data-items=dead-letters] > button')`
	shows := func(n int) string { return fmt.Sprintf(`%s.querySelectorAll('li').length === %d`, list, n) }
	before := value[int](p, list+`.querySelectorAll('li').length`)
	if before != 200 {
		t.Errorf("a page shows %d", before)
	}
	p.reads("[data-items=dead-letters] .choice", "200 or more open")
	p.accessible()
	for n := 400; n < made; n += 200 {
		p.wait("the button to be there", older+`.hidden === false`)
		p.do(chromedp.Evaluate(older+`.click()`, nil))
		p.wait(fmt.Sprintf("%d to be shown", n), shows(n))
	}
	p.do(chromedp.Evaluate(older+`.click()`, nil))
	p.wait("the oldest to be shown, and no button", fmt.Sprintf(`%s.textContent.includes('older %d.') && %s.hidden`, list, made, older))
	if left := value[int](p, list+`.querySelectorAll('li').length - new Set([...`+list+`.querySelectorAll('li')].map((i) => i.dataset.item)).size`); left != 0 {
		t.Errorf("%d are shown twice", left)
	}
}
