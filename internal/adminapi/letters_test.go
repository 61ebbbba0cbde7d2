package adminapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestDeadLetter_IsShownWithItsMessage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	event, letter := o.deadLetter(order)
	var head struct{ ID string }
	if err := json.Unmarshal(letter.Payload, &head); err != nil || head.ID != event || letter.Base64 != nil {
		t.Errorf("the message is shown as %s, %s (%v)", letter.Payload, letter.Base64, err)
	}
	if letter.OrderID != order || letter.Type != "saga.order.OrderCancelRequested.v1" || letter.Attempts != 1 ||
		!strings.Contains(letter.Reason, "no such planet") || letter.FirstAt.IsZero() || letter.ClosedAt != nil || len(letter.Actions) != 0 {
		t.Errorf("%+v", letter)
	}
	o.deliver(uuid.NewString(), []byte("hello"))
	if other := o.letterOf(""); string(other.Base64) != "hello" || string(other.Payload) != "null" || !strings.Contains(other.Reason, "not a CloudEvents message") {
		t.Errorf("what is no JSON is shown as %+v", other)
	}
}

// pages reads all the pages of a list.
func (o *office) pages(query string) (ids []string) {
	o.t.Helper()
	for after := ""; ; {
		var page struct {
			DeadLetters []adminapi.DeadLetter `json:"dead_letters"`
			Next        *string               `json:"next"`
		}
		o.get("/dead-letters?limit=2&"+query+after, &page)
		for _, l := range page.DeadLetters {
			ids = append(ids, l.ID)
		}
		if page.Next == nil {
			return ids
		}
		after = "&after=" + url.QueryEscape(*page.Next)
	}
}

func TestDeadLetters_AreListedByFilterAndPage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	orders := make([]string, 5)
	for i := range orders {
		orders[i] = uuid.NewString()
		_, l := o.deadLetter(orders[i])
		if i == 0 {
			o.asks("/dead-letters/"+l.ID+"/discard", "expected_attempts", 1)
		}
	}
	o.deliver(uuid.NewString(), []byte("hello"))
	o.letterOf("")
	for query, want := range map[string]int{
		"": 6, "open=true": 5, "open=false": 1, "reason=planet": 5, "reason=CloudEvents": 1, "type=CancelRequested": 6, "type=v2": 0,
		"order=" + orders[3]: 1, "order=none": 0, "open=true&reason=planet": 4, "reason=" + url.QueryEscape("%"): 0,
	} {
		ids := o.pages(query)
		seen := map[string]bool{}
		for _, id := range ids {
			seen[id] = true
		}
		if len(ids) != want || len(seen) != want {
			t.Errorf("%q lists %d, %d of them different, want %d", query, len(ids), len(seen), want)
		}
	}
}

// handled waits until the service has settled all messages that it was sent.
func (o *office) handled() {
	o.t.Helper()
	testkit.Eventually(o.t, within, "all messages to be settled", func() bool {
		consumer, err := o.stream.Consumer(o.t.Context(), events.Stream, string(events.Shipping))
		if err != nil {
			o.t.Fatal(err)
		}
		info, err := consumer.Info(o.t.Context())
		return err == nil && info.NumPending == 0 && info.NumAckPending == 0
	})
}

// The message of an event that has taken effect comes once more, as the broker may deliver it. Its letter stays closed; a
// discarded one opens again.
func TestDeadLetter_OfAnEventThatHasTakenEffectStaysClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		close func(o *office, l adminapi.Letter)
		open  int // letters and incidents after the message has come again
	}{
		"redriven as it should have been": {func(o *office, l adminapi.Letter) {
			o.asks("/dead-letters/"+l.ID+"/redrive", "expected_attempts", 1, "payload", mended(l))
		}, 0},
		"a duplicate of one that took effect meanwhile": {func(o *office, l adminapi.Letter) {
			o.deliver(l.OrderID, mended(l))
			o.eventually(1, `SELECT count(*) FROM effect`)
			o.asks("/dead-letters/"+l.ID+"/redrive", "expected_attempts", 1, "payload", mended(l))
		}, 0},
		"discarded": {func(o *office, l adminapi.Letter) {
			o.asks("/dead-letters/"+l.ID+"/discard", "expected_attempts", 1)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			order := uuid.NewString()
			id, message := wanted(t, order)
			broken := bytes.Replace(message, []byte(`"reason":"customer"`), []byte(`"reason":7`), 1)
			o.deliver(order, broken)
			test.close(o, o.letterOf(id))
			for range 2 {
				o.deliver(order, broken)
				o.handled()
			}
			for sql, want := range map[string]int{
				`SELECT count(*) FROM dead_letter WHERE closed_at IS NULL`:                     test.open,
				`SELECT count(*) FROM incident WHERE resolved_at IS NULL`:                      test.open,
				`SELECT count(*) FROM dead_letter`:                                             1,
				`SELECT count(*) FROM effect`:                                                  1 - test.open,
				`SELECT count(*) FROM outbox WHERE type LIKE 'saga.shipping.ShipmentFailed.%'`: 1 - test.open,
			} {
				if n := o.count(sql); n != want {
					t.Errorf("%s: %d, want %d", sql, n, want)
				}
			}
		})
	}
}

// mended is the message of a letter as it should have been.
func mended(l adminapi.Letter) json.RawMessage {
	return bytes.Replace(l.Payload, []byte(`"reason":7`), []byte(`"reason":"customer"`), 1)
}

// A redriven message takes effect as a delivered one does: once, remembered, and with its answer on the way.
func TestRedrive_TheMessageTakesEffect(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	event, letter := o.deadLetter(order)
	if n := o.count(`SELECT count(*) FROM effect`); n != 0 {
		t.Errorf("the dead letter has left %d effects", n)
	}
	o.refuse(nil)
	path := "/dead-letters/" + letter.ID + "/redrive"
	answer := o.send(http.MethodPost, path, "k", command("expected_attempts", 1))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"outcome":"redriven"`) {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if again := o.send(http.MethodPost, path, "k", command("expected_attempts", 1)); again.Body.String() != answer.Body.String() {
		t.Errorf("the same key was answered %s, and then %s", answer.Body, again.Body)
	}
	o.eventually(1, `SELECT count(*) FROM outbox WHERE type LIKE 'saga.shipping.ShipmentFailed.%' AND key = $1 AND published_at IS NOT NULL`, order)
	for query, want := range map[string]int{
		`SELECT count(*) FROM effect WHERE event_id = $1`: 1,
		`SELECT count(*) FROM inbox WHERE event_id = $1`:  1,
	} {
		if n := o.count(query, event); n != want {
			t.Errorf("%s: %d", query, n)
		}
	}
	now := o.letter(letter.ID)
	if now.ClosedAs == nil || *now.ClosedAs != adminapi.Redriven || now.Attempts != 1 || len(now.Actions) != 1 {
		t.Fatalf("%+v", now)
	}
	if done := now.Actions[0]; done.By != "grace" || done.Action != "redrive" || !strings.Contains(string(done.Before), `"state":"open"`) ||
		!strings.Contains(string(done.After), `"state":"redriven"`) || strings.Contains(string(done.After), `"payload":`) {
		t.Errorf("%+v: %s → %s", done, done.Before, done.After)
	}
}

func TestRedrive_AFailureIsCountedWithItsReason(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"for good":     outbox.DeadLetter(errors.New("still no such planet")),
		"for a moment": errors.New("still no such planet"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			event, letter := o.deadLetter(uuid.NewString())
			o.refuse(why)
			body := o.asks("/dead-letters/"+letter.ID+"/redrive", "expected_attempts", 1)
			if !strings.Contains(body, `"outcome":"failed","attempts":2`) || !strings.Contains(body, "still no such planet") {
				t.Errorf("answered %s", body)
			}
			now := o.letter(letter.ID)
			if now.ClosedAt != nil || now.Attempts != 2 || !strings.Contains(now.Reason, "still no such planet") || !now.LastAt.After(letter.LastAt) || len(now.Actions) != 1 {
				t.Errorf("%+v", now)
			}
			if n := o.count(`SELECT (SELECT count(*) FROM effect) + (SELECT count(*) FROM inbox WHERE event_id = $1)`, event); n != 0 {
				t.Errorf("it has left %d rows", n)
			}
			o.refuse(nil)
			if body := o.asks("/dead-letters/"+letter.ID+"/redrive", "expected_attempts", 2); !strings.Contains(body, `"outcome":"redriven"`) {
				t.Errorf("at last: %s", body)
			}
		})
	}
}

// The event was published a second time and has taken effect by then, so the letter has nothing more to do.
func TestRedrive_OfAnEventThatTookEffectIsADuplicate(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	event, letter := o.deadLetter(order)
	o.refuse(nil)
	o.deliver(order, letter.Payload)
	o.eventually(1, `SELECT count(*) FROM effect WHERE event_id = $1`, event)
	if body := o.asks("/dead-letters/"+letter.ID+"/redrive", "expected_attempts", 1); !strings.Contains(body, `"outcome":"duplicate"`) {
		t.Errorf("answered %s", body)
	}
	if n := o.count(`SELECT count(*) FROM effect`); n != 1 {
		t.Errorf("it took effect %d times", n)
	}
}

// An edit is kept with who made it, and stays the same event.
func TestRedrive_AnEditedMessageIsRecorded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	event, message := wanted(t, order)
	o.deliver(order, []byte(strings.Replace(string(message), "OrderCancelRequested.v1", "OrderCancelRequested.v9", 1)))
	letter := o.letterOf(event)
	_, other := wanted(t, order)
	if body := o.asks("/dead-letters/"+letter.ID+"/redrive", "expected_attempts", 1, "payload", json.RawMessage(other)); !strings.Contains(body, `"outcome":"failed"`) ||
		!strings.Contains(body, "must keep the event's own") {
		t.Errorf("another event: %s", body)
	}
	if body := o.asks("/dead-letters/"+letter.ID+"/redrive", "expected_attempts", 2, "payload", json.RawMessage(message)); !strings.Contains(body, `"outcome":"redriven"`) {
		t.Errorf("answered %s", body)
	}
	if n := o.count(`SELECT count(*) FROM effect WHERE event_id = $1`, event); n != 1 {
		t.Errorf("%d effects", n)
	}
	now := o.letter(letter.ID)
	var before, after struct {
		SHA256  string `json:"payload_sha256"`
		Payload string `json:"payload"`
	}
	if err := errors.Join(json.Unmarshal(now.Actions[1].Before, &before), json.Unmarshal(now.Actions[1].After, &after)); err != nil {
		t.Fatal(err)
	}
	if before.SHA256 == after.SHA256 || len(before.SHA256) != 64 || after.Payload != string(message) || string(now.Payload) != string(letter.Payload) {
		t.Errorf("the edit is recorded as %+v → %+v; the letter still holds %s", before, after, now.Payload)
	}
}

func TestDiscard_TheMessageNeverTakesEffectUnlessRepublished(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	_, letter := o.deadLetter(order)
	if body := o.asks("/dead-letters/"+letter.ID+"/discard", "expected_attempts", 1); !strings.Contains(body, `"outcome":"discarded"`) {
		t.Errorf("answered %s", body)
	}
	if a := o.send(http.MethodPost, "/dead-letters/"+letter.ID+"/redrive", "late", command("expected_attempts", 1)); a.Code != http.StatusConflict || !strings.Contains(a.Body.String(), "discarded since") {
		t.Errorf("a redrive of a discarded letter: %d %s", a.Code, a.Body)
	}
	o.deliver(order, letter.Payload) // and it is refused again
	o.eventually(2, `SELECT coalesce(sum(attempts), 0) FROM dead_letter WHERE closed_at IS NULL`)
	o.eventually(1, `SELECT count(*) FROM incident WHERE kind = 'poison' AND resolved_at IS NULL`)
	if n := o.count(`SELECT count(*) FROM effect`); n != 0 {
		t.Errorf("%d effects", n)
	}
}

func TestRedrive_OfTwoOperatorsOneSucceeds(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	_, letter := o.deadLetter(uuid.NewString())
	o.refuse(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 8 {
		wg.Go(func() {
			answer := o.send(http.MethodPost, "/dead-letters/"+letter.ID+"/redrive", uuid.NewString(), command("expected_attempts", 1))
			mu.Lock()
			defer mu.Unlock()
			answers[answer.Code]++
		})
	}
	wg.Wait()
	if answers[http.StatusOK] != 1 || answers[http.StatusConflict] != 7 || o.count(`SELECT count(*) FROM effect`) != 1 ||
		o.count(`SELECT count(*) FROM operator_action`) != 1 {
		t.Errorf("answered %v, %d effects", answers, o.count(`SELECT count(*) FROM effect`))
	}
}

// An order needs attention while a message about it is a dead letter, and no longer than the last of them is.
func TestIncident_IsOpenUntilTheLastDeadLetterOfItsOrderIsClosed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	const open = `SELECT count(*) FROM incident WHERE order_id = $1 AND kind = 'poison' AND resolved_at IS NULL`
	_, first := o.deadLetter(order)
	_, second := o.deadLetter(order)
	o.eventually(1, `SELECT count(*) FROM outbox WHERE type LIKE '%IncidentOpened%' AND key = $1 AND published_at IS NOT NULL`, order)
	o.asks("/dead-letters/"+first.ID+"/discard", "expected_attempts", 1)
	if n := o.count(open, order); n != 1 {
		t.Fatalf("%d incidents are open while a letter is", n)
	}
	o.refuse(nil)
	o.asks("/dead-letters/"+second.ID+"/redrive", "expected_attempts", 1)
	if n := o.count(open, order); n != 0 {
		t.Errorf("%d incidents are open without a letter", n)
	}
	o.eventually(1, `SELECT count(*) FROM outbox WHERE type LIKE '%IncidentResolved%' AND key = $1 AND published_at IS NOT NULL`, order)

	// Both at the same time: whoever is second sees the other.
	o.refuse(outbox.DeadLetter(errors.New("no such planet")))
	letters := make([]adminapi.Letter, 2)
	for i := range letters {
		_, letters[i] = o.deadLetter(order)
	}
	var wg sync.WaitGroup
	for _, l := range letters {
		wg.Go(func() { o.asks("/dead-letters/"+l.ID+"/discard", "expected_attempts", 1) })
	}
	wg.Wait()
	if n := o.count(open, order); n != 0 {
		t.Errorf("%d incidents are open though both letters are closed", n)
	}
}

func TestAdmin_ABodyInAnotherCharsetDoesNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.NewString()
	o.refuse(errors.New("not today"))
	event, letter := o.deadLetter(order)
	encoded, err := json.Marshal(command())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dead-letters/" + letter.ID + "/discard", "/dead-letters/" + letter.ID + "/redrive", "/dead-letters/redrive"} {
		for status, types := range map[int][]string{
			http.StatusUnsupportedMediaType: {"application/json; charset=latin1"},
			http.StatusBadRequest:           {"application/json", "application/json"},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(encoded))
			r.Header = http.Header{"Content-Type": types, "Idempotency-Key": {uuid.NewString()}}
			answer := httptest.NewRecorder()
			o.admin.ServeHTTP(answer, r)
			if answer.Code != status {
				t.Errorf("%s %q: %d %s", path, types, answer.Code, answer.Body)
			}
		}
	}
	if now := o.letterOf(event); now.ClosedAt != nil || now.Attempts != letter.Attempts {
		t.Errorf("the letter is %+v", now)
	}
}
