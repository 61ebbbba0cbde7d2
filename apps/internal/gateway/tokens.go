package gateway

import (
	"net/http"
	"strings"
)

// Token is a test card: a payment method with which everything that a real gateway does now and then can
// be made to happen on purpose.
type Token struct {
	Name     string // what is sent as payment_method
	Sentence string // what happens
	Retry    string // what the same request under the same key gets afterwards

	decline       string // the decline code; empty: approved
	extra         int64  // how much more than asked for is captured
	busy          busy   // how often, and with what, a request is turned away before the card is charged
	delay         delay
	damage        damage // what becomes of the answer to a charge that was captured
	refundBusy    busy
	refundRefused bool
	refundDamage  damage
}

// busy turns requests away before anything is done.
type busy struct {
	status int
	times  int // per key and gateway process
}

// forever as the times of a busy never lets a request through.
const forever = -1

// delay is when the money is captured.
type delay int

const (
	promptly delay = iota
	slowly         // the answer waits for it
	late           // the answer, a 504, does not wait for it
)

// damage is what becomes of the answer to something that was done. It befalls the first answer alone: the
// retry under the same key gets the one that was kept.
type damage int

const (
	intact damage = iota
	dropped
	failed
	hung
	garbled
	cut
)

const replay = "the 201, replayed"

// Tokens are all the test cards.
func Tokens() []Token {
	return []Token{
		{Name: "tok_visa", Sentence: "Approved.", Retry: replay},
		{Name: "tok_declined", decline: "card_declined", Sentence: "Declined with `card_declined` (402).",
			Retry: "the 402, replayed"},
		{Name: "tok_insufficient_funds", decline: "insufficient_funds", Sentence: "Declined with `insufficient_funds` (402).",
			Retry: "the 402, replayed"},
		{Name: "tok_fraud", decline: "fraudulent", Sentence: "Declined with `fraudulent` (402).", Retry: "the 402, replayed"},

		{Name: "tok_lost_response", damage: dropped, Sentence: "Captured, then the connection is dropped without an answer.",
			Retry: replay},
		{Name: "tok_error_after_charge", damage: failed, Sentence: "Captured, then a 500.", Retry: replay},
		{Name: "tok_hang_after_charge", damage: hung, Sentence: "Captured, then no answer until the client gives up.",
			Retry: replay},
		{Name: "tok_malformed_answer", damage: garbled, Sentence: "Captured, then a 201 whose body is not JSON.",
			Retry: replay},
		{Name: "tok_reset_mid_answer", damage: cut,
			Sentence: "Captured, then the connection is dropped in the middle of the answer.", Retry: replay},
		{Name: "tok_wrong_amount", extra: 100,
			Sentence: "Captured, but 100 minor units more than were asked for; answer and look-up agree.",
			Retry:    "the 201 with the wrong amount, replayed"},

		{Name: "tok_rate_limited", busy: busy{http.StatusTooManyRequests, 2},
			Sentence: "429 with `Retry-After` twice, nothing captured; then approved.", Retry: "429, then 201"},
		{Name: "tok_in_progress", busy: busy{http.StatusConflict, 1},
			Sentence: "409 with `Retry-After` once, nothing captured; then approved.", Retry: "201"},
		{Name: "tok_error_before_charge", busy: busy{http.StatusInternalServerError, 1},
			Sentence: "500 once, nothing captured; then approved.", Retry: "201"},
		{Name: "tok_error_always", busy: busy{http.StatusInternalServerError, forever},
			Sentence: "500 every time; nothing is ever captured.", Retry: "500"},
		{Name: "tok_slow", delay: slowly, Sentence: "Approved, but capture and answer take a second (`SLOW_DELAY`).",
			Retry: "409 while it lasts, then " + replay},
		{Name: "tok_settles_late", delay: late,
			Sentence: "504 at once; captured some seconds later (`SETTLE_DELAY`), within the in-flight horizon.",
			Retry:    "409 until it is captured, then " + replay},

		{Name: "tok_refund_refused", refundRefused: true,
			Sentence: "Approved; a refund is refused with `refund_refused` (402).",
			Retry:    "the refusal, replayed; under another key refused again, until the gateway recovers (`refund_refusals`)"},
		{Name: "tok_refund_fails_twice", refundBusy: busy{http.StatusInternalServerError, 2},
			Sentence: "Approved; a refund is a 500 twice, nothing refunded; then it works.", Retry: "500, then 201"},
		{Name: "tok_refund_lost_response", refundDamage: dropped,
			Sentence: "Approved; a refund is made, then the connection is dropped without an answer.", Retry: replay},
		{Name: "tok_refund_hangs", refundDamage: hung,
			Sentence: "Approved; a refund is made, then no answer until the client gives up.", Retry: replay},
	}
}

// TokenTable is [Tokens] as a table in Markdown, for the documentation.
func TokenTable() string {
	var table strings.Builder
	table.WriteString("| Token | What happens | The same request again, under the same key |\n|---|---|---|\n")
	for _, token := range Tokens() {
		table.WriteString("| `" + token.Name + "` | " + token.Sentence + " | " + token.Retry + " |\n")
	}
	return table.String()
}
