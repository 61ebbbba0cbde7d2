package payment

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
)

// A payment is a register that can be written once: before, reading it shows no charge; afterwards it shows one charge,
// always the same. The test lets many clients charge and read many payments at once, over a gateway that
// loses answers, and asks porcupine whether what they saw could have happened one after the other.

// touch is an operation on one payment: a charge or a read.
type touch struct {
	payment string
	charges bool
}

// saw is what the client learned. A charge whose outcome it did not learn may take effect at any time, or never.
type saw struct {
	charge string // its id; empty: none
	lost   bool
}

func oneChargeRegister() porcupine.Model {
	register := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[string][]porcupine.Operation{}
			for _, operation := range history {
				payment := operation.Input.(touch).payment
				by[payment] = append(by[payment], operation)
			}
			var parts [][]porcupine.Operation
			for _, part := range by {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() []any { return []any{""} },
		Step: func(state, input, output any) []any {
			charged, did, result := state.(string), input.(touch), output.(saw)
			switch {
			case did.charges && result.lost && charged == "" && result.charge != "":
				return []any{"", result.charge} // it was carried out at this moment, or not by this request
			case did.charges && result.lost:
				return []any{charged}
			case did.charges && (charged == "" || charged == result.charge):
				return []any{result.charge} // the first one, or its replay
			case !did.charges && charged == result.charge:
				return []any{charged}
			}
			return nil
		},
	}
	return register.ToModel()
}

// history is what the clients of a test did and saw.
type history struct {
	mu         sync.Mutex
	begun      time.Time
	operations []porcupine.Operation
}

func (h *history) record(client int, did touch, do func() saw) {
	call := time.Since(h.begun).Nanoseconds()
	result := do()
	operation := porcupine.Operation{ClientId: client, Input: did, Call: call, Output: result, Return: time.Since(h.begun).Nanoseconds()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, operation)
}

// settle gives the charges whose outcome their clients did not learn the charge that was really made, and all the
// time there is.
func (h *history) settle(made map[string]string) {
	end := time.Since(h.begun).Nanoseconds()
	for i, operation := range h.operations {
		if result := operation.Output.(saw); result.lost {
			h.operations[i].Output, h.operations[i].Return = saw{made[operation.Input.(touch).payment], true}, end
		}
	}
}

func TestHistory_IsLinearizable(t *testing.T) {
	t.Parallel()
	const payments, clients, rounds = 40, 8, 5 // 40 × 8 × 5 operations, half on orders and half on direct payments
	s := newShop(t)
	s.work()
	h := s.api()
	s.gate.faults(t, map[string]any{"error_before": 10, "error_after": 15, "drop_after": 15, "rate_limited": 5})

	past := &history{begun: time.Now()}
	var names []string
	var wg sync.WaitGroup
	for p := range payments {
		name, direct := newID(t), p%2 == 0
		names = append(names, name)
		for client := range clients {
			wg.Go(func() {
				for round := range rounds {
					did := touch{name, rand.IntN(2) == 0}
					past.record(p*clients+client, did, func() saw { return s.touch(h, did, direct, round%3) })
				}
			})
		}
	}
	wg.Wait()
	s.gate.faults(t, map[string]any{})
	testkit.Eventually(t, 30*time.Second, "every payment to come to its end", func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE state NOT IN ('CAPTURED')`) == 0
	})
	made := map[string]string{}
	for _, e := range s.gate.ledger(t) {
		order, direct := charge.ParseReference(e.Reference)
		if order != nil {
			direct = order.String()
		}
		if made[direct] != "" {
			t.Errorf("%s was charged twice", e.Reference)
		}
		made[direct] = e.ID
	}
	past.settle(made)
	if n := len(past.operations); n < 1000 || len(names) != payments {
		t.Fatalf("%d operations on %d payments", n, len(names))
	}
	if result := porcupine.CheckOperationsTimeout(oneChargeRegister(), past.operations, time.Minute); result != porcupine.Ok {
		t.Errorf("the history is not linearizable: %v", result)
	}
	s.checkLedgers()
}

// touch does an operation as a client of its kind does it: a direct payment is charged by a request with one of a few
// keys, an order's by an event that is delivered again and again.
func (s *shop) touch(h http.Handler, did touch, direct bool, key int) saw {
	switch {
	case did.charges && direct:
		answer := ask(s.t, h, http.MethodPost, "/v1/charges", fmt.Sprintf("%s-%d", did.payment, key), chargeBody(did.payment, "tok_visa"))
		var charge api.Charge
		if answer.status != http.StatusCreated {
			return saw{lost: true}
		}
		if err := json.Unmarshal([]byte(answer.body), &charge); err != nil {
			s.t.Error(err)
		}
		return saw{charge: charge.Id}
	case did.charges:
		if err := s.tryHandle(reserved(did.payment, "tok_visa")); err != nil {
			s.t.Error(err)
		}
		return saw{lost: true} // it is carried out later
	}
	path := map[bool]string{true: "/v1/charges/", false: "/v1/payments/"}[direct] + did.payment
	var shown struct {
		ChargeID string `json:"charge_id"`
	}
	answer := ask(s.t, h, http.MethodGet, path, "", "")
	if err := json.Unmarshal([]byte(answer.body), &shown); err != nil || !slices.Contains([]int{http.StatusOK, http.StatusNotFound}, answer.status) {
		s.t.Errorf("%d %s", answer.status, answer.body)
	}
	return saw{charge: shown.ChargeID}
}

// The oracle itself must be able to refuse.
func TestHistory_TheOracleRefusesWhatCannotHaveHappened(t *testing.T) {
	t.Parallel()
	charge := func(call, end int64, id string) porcupine.Operation {
		return porcupine.Operation{Input: touch{"p", true}, Output: saw{charge: id}, Call: call, Return: end}
	}
	read := func(call, end int64, id string) porcupine.Operation {
		return porcupine.Operation{Input: touch{"p", false}, Output: saw{charge: id}, Call: call, Return: end}
	}
	lost := func(call, end int64, id string) porcupine.Operation {
		return porcupine.Operation{Input: touch{"p", true}, Output: saw{charge: id, lost: true}, Call: call, Return: end}
	}
	for sentence, test := range map[string]struct {
		happened []porcupine.Operation
		want     bool
	}{
		"charged, replayed, read":                   {[]porcupine.Operation{charge(0, 1, "a"), charge(2, 3, "a"), read(4, 5, "a")}, true},
		"read before a charge that took its time":   {[]porcupine.Operation{charge(0, 9, "a"), read(1, 2, "")}, true},
		"a lost charge that took effect after all":  {[]porcupine.Operation{lost(0, 9, "a"), read(1, 2, ""), read(3, 4, "a")}, true},
		"charged twice":                             {[]porcupine.Operation{charge(0, 1, "a"), charge(2, 3, "b")}, false},
		"a charge that disappeared":                 {[]porcupine.Operation{charge(0, 1, "a"), read(2, 3, "")}, false},
		"a charge that was read before it was made": {[]porcupine.Operation{read(0, 1, "a"), charge(2, 3, "a")}, false},
		"a lost charge that came and went":          {[]porcupine.Operation{lost(0, 9, "a"), read(1, 2, "a"), read(3, 4, "")}, false},
	} {
		if got := porcupine.CheckOperations(oneChargeRegister(), test.happened); got != test.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
