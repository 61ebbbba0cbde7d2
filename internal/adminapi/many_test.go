package adminapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/outbox"
)

// deadLetters has events refused, and returns their letters, oldest first.
func (o *office) deadLetters(n int) []adminapi.Letter {
	o.t.Helper()
	letters := make([]adminapi.Letter, n)
	for i := range letters {
		_, letters[i] = o.deadLetter(uuid.NewString())
	}
	return letters
}

func (o *office) all(more ...any) (t adminapi.Tally) {
	o.t.Helper()
	if err := json.Unmarshal([]byte(o.asks("/dead-letters/redrive", more...)), &t); err != nil {
		o.t.Fatal(err)
	}
	return t
}

func TestBulkRedrive_AllThatMatchInSeveralRequests(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	letters := o.deadLetters(5)
	o.deliver(uuid.NewString(), []byte("hello"))
	other := o.letterOf("")
	o.refuse(nil)
	first := o.all("reason", "planet", "limit", 3)
	if first.Redriven != 3 || first.Remaining != 2 || len(first.Letters) != 3 {
		t.Fatalf("%+v", first)
	}
	for i, l := range first.Letters {
		if l.ID != letters[i].ID || l.Outcome != adminapi.Redriven {
			t.Errorf("number %d is %+v, want the oldest first", i, l)
		}
	}
	if second := o.all("reason", "planet", "limit", 3, "until", first.Until); second.Redriven != 2 || second.Remaining != 0 {
		t.Errorf("%+v", second)
	}
	if n := o.count(`SELECT count(*) FROM effect`); n != 5 || o.letter(other.ID).ClosedAt != nil {
		t.Errorf("%d effects; the one that does not match is %+v", n, o.letter(other.ID))
	}
	if now := o.letter(letters[0].ID); len(now.Actions) != 1 || now.Actions[0].By != "grace" {
		t.Errorf("each letter has its own record, this one has %+v", now.Actions)
	}
}

// What fails again is tried once for a command, however many requests it takes.
func TestBulkRedrive_TriesEachOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deadLetters(3)
	wanted := o.all("limit", 2)
	for wanted.Remaining > 0 {
		wanted = o.all("limit", 2, "until", wanted.Until)
	}
	if n := o.count(`SELECT count(*) FROM dead_letter WHERE attempts = 2 AND closed_at IS NULL`); n != 3 {
		t.Errorf("%d letters were tried once more", n)
	}
	if again := o.all("until", wanted.Until); len(again.Letters) != 0 {
		t.Errorf("tried again for the same command: %+v", again)
	}
	if next := o.all(); next.Failed != 3 {
		t.Errorf("a new command: %+v", next)
	}
}

// A request that ended in the middle is sent again: with the key of the first one, what it had tried is not tried again.
func TestBulkRedrive_ARequestThatEndedInTheMiddleGoesOn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deadLetters(3)
	if _, err := o.faults.Arm(failpoint.Fault{Point: failpoint.OperatorCommitted, Kind: failpoint.Error, Times: 1}); err != nil {
		t.Fatal(err)
	}
	send := func() *httptest.ResponseRecorder {
		return o.send(http.MethodPost, "/dead-letters/redrive", "k", command())
	}
	if first := send(); first.Code != http.StatusInternalServerError || o.count(`SELECT count(*) FROM dead_letter WHERE attempts = 2`) != 1 {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	second, third := send(), send()
	if !strings.Contains(second.Body.String(), `"failed":3`) || third.Body.String() != second.Body.String() {
		t.Errorf("it went on with %s, and then answered %s", second.Body, third.Body)
	}
	if n := o.count(`SELECT count(*) FROM dead_letter WHERE attempts = 2`); n != 3 {
		t.Errorf("%d letters were tried once more", n)
	}
}

// Where each letter takes long, a request ends before its client loses patience, and says how many remain.
func TestBulkRedrive_ARequestEndsInTime(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deadLetters(3)
	slow := failpoint.Fault{Point: failpoint.RedriveBegun, Kind: failpoint.Delay, Delay: 2100 * time.Millisecond, Times: 1}
	if _, err := o.faults.Arm(slow); err != nil {
		t.Fatal(err)
	}
	first := o.all()
	if len(first.Letters) != 1 || first.Remaining != 2 {
		t.Fatalf("after a letter that took two seconds: %+v", first)
	}
	if rest := o.all("until", first.Until); len(rest.Letters) != 2 || rest.Remaining != 0 {
		t.Errorf("the next request: %+v", rest)
	}
}

func TestBulkRedrive_EditsEach(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for range 3 {
		order := uuid.NewString()
		event, message := wanted(t, order)
		o.deliver(order, []byte(strings.Replace(string(message), "OrderCancelRequested.v1", "OrderCancelRequested.v9", 1)))
		o.letterOf(event)
	}
	tally := o.all("replace", "OrderCancelRequested.v9", "with", "OrderCancelRequested.v1")
	if tally.Redriven != 3 || o.count(`SELECT count(*) FROM effect`) != 3 {
		t.Fatalf("%+v", tally)
	}
	done := o.letter(tally.Letters[0].ID).Actions[0]
	if !strings.Contains(string(done.After), "CancelRequested.v1") {
		t.Errorf("the edit is recorded as %s → %s", done.Before, done.After)
	}
}

func TestBulkRedrive_TwoOperatorsShareTheLetters(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deadLetters(10)
	o.refuse(nil)
	tallies := make([]adminapi.Tally, 2)
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() { tallies[i] = o.all() })
	}
	wg.Wait()
	a, b := tallies[0], tallies[1]
	if a.Redriven+b.Redriven != 10 || a.Failed+b.Failed+a.Duplicates+b.Duplicates != 0 || o.count(`SELECT count(*) FROM effect`) != 10 {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestDeadLetters_BadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.refuse(outbox.DeadLetter(errors.New("no such planet")))
	_, letter := o.deadLetter(uuid.NewString())
	path := "/dead-letters/" + letter.ID
	for name, test := range map[string]struct {
		method, path, key string
		body              any
		status            int
		part              string
	}{
		"no key":               {http.MethodPost, path + "/redrive", "", command("expected_attempts", 1), http.StatusBadRequest, "Idempotency-Key"},
		"no attempts":          {http.MethodPost, path + "/redrive", "a", command(), http.StatusBadRequest, "Say expected_attempts"},
		"other attempts":       {http.MethodPost, path + "/redrive", "b", command("expected_attempts", 2), http.StatusConflict, "It has been tried 1 times by now"},
		"no reason":            {http.MethodPost, path + "/discard", "c", map[string]any{"by": "grace", "expected_attempts": 1}, http.StatusBadRequest, "Say why"},
		"a member too many":    {http.MethodPost, path + "/discard", "d", command("expected_attempts", 1, "payload", 1), http.StatusBadRequest, "JSON object that is wanted"},
		"no such letter":       {http.MethodPost, "/dead-letters/" + uuid.NewString() + "/discard", "e", command("expected_attempts", 1), http.StatusNotFound, "no such dead letter"},
		"no id":                {http.MethodGet, "/dead-letters/none", "", nil, http.StatusNotFound, "no such dead letter"},
		"too many at once":     {http.MethodPost, "/dead-letters/redrive", "f", command("limit", 101), http.StatusBadRequest, "limit is 1 to 100"},
		"with without replace": {http.MethodPost, "/dead-letters/redrive", "g", command("with", "x"), http.StatusBadRequest, "Say replace"},
		"a NUL":                {http.MethodPost, "/dead-letters/redrive", "h", command("reason", "\x00"), http.StatusBadRequest, "NUL"},
		"a NUL to be put in":   {http.MethodPost, "/dead-letters/redrive", "i", command("replace", "a", "with", "\x00"), http.StatusBadRequest, "NUL"},
		"no boolean":           {http.MethodGet, "/dead-letters?open=perhaps", "", nil, http.StatusBadRequest, "true or false"},
		"a page too large":     {http.MethodGet, "/dead-letters?limit=1000", "", nil, http.StatusBadRequest, "limit is 1 to 500"},
		"no cursor":            {http.MethodGet, "/dead-letters?after=x", "", nil, http.StatusBadRequest, "next of the page before"},
		"no text":              {http.MethodGet, "/dead-letters?type=%ff", "", nil, http.StatusBadRequest, "UTF-8"},
		"no number":            {http.MethodGet, "/struggling?attempts=0", "", nil, http.StatusBadRequest, "a number from 1"},
	} {
		if a := o.send(test.method, test.path, test.key, test.body); a.Code != test.status || !strings.Contains(a.Body.String(), test.part) {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	if now := o.letter(letter.ID); now.Attempts != 1 || now.ClosedAt != nil || !slices.Equal(now.Payload, letter.Payload) || o.count(`SELECT count(*) FROM operator_action`) != 0 {
		t.Errorf("something was done: %+v", now)
	}
}
