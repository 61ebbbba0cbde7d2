package gateway

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/ordersaga/contracts/gateway/api"
)

// byReference counts the charges of each merchant reference.
func byReference(entries []api.Entry) map[string]int {
	charges := map[string]int{}
	for _, entry := range entries {
		charges[entry.MerchantReference]++
	}
	return charges
}

func TestGateway_WhatWasAnsweredSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	ledgerFile := filepath.Join(t.TempDir(), "ledger")
	answered := map[string]string{}
	for round := range 5 {
		gateway := spawn(t, ledgerFile, nil)
		var mu sync.Mutex
		var enough atomic.Int32
		var all sync.WaitGroup
		for worker := range 16 {
			all.Go(func() {
				for i := 0; ; i++ {
					reference := fmt.Sprintf("%d-%d-%d", round, worker, i)
					a, err := gateway.client.send(t.Context(), http.MethodPost, "/v1/charges", reference, chargeBody(reference, 1000, "tok_visa"))
					if err != nil {
						return // killed
					}
					mu.Lock()
					answered[reference] = a.body
					mu.Unlock()
					if enough.Add(1) == 100 {
						gateway.kill()
					}
				}
			})
		}
		all.Wait()
	}
	again := start(t, ledgerFile, testTimes)
	charges := byReference(again.client.entries(t))
	for reference, body := range answered {
		if charges[reference] != 1 {
			t.Errorf("%s was answered and is in the ledger %d times", reference, charges[reference])
		}
		a := again.client.must(t, http.MethodPost, "/v1/charges", reference, chargeBody(reference, 1000, "tok_visa"))
		if a.body != body {
			t.Errorf("%s was answered with %s, and now with %s", reference, body, a.body)
		}
	}
	if len(answered) < 500 {
		t.Errorf("only %d charges were answered", len(answered))
	}
}

// Every request goes to both endpoints at once, as an impatient client does, while one of them is killed
// again and again.
func TestGateway_TwoEndpointsChargeOnceWhileOneIsKilled(t *testing.T) {
	t.Parallel()
	ledgerFile := filepath.Join(t.TempDir(), "ledger")
	steady := spawn(t, ledgerFile, nil)
	var answers sync.Map
	keys := 0
	for round := range 4 {
		shaky := spawn(t, ledgerFile, nil)
		var all sync.WaitGroup
		for i := range 100 {
			reference := fmt.Sprintf("%d-%d", round, i)
			keys++
			for _, endpoint := range []*child{steady, shaky} {
				all.Go(func() {
					a, err := endpoint.client.send(t.Context(), http.MethodPost, "/v1/charges", reference, chargeBody(reference, 1000, "tok_visa"))
					if err != nil {
						return // killed
					}
					if first, other := answers.LoadOrStore(reference, a.body); other && first != a.body {
						t.Errorf("%s has two answers: %s and %s", reference, first, a.body)
					}
				})
			}
			if i == 60 {
				all.Go(shaky.kill)
			}
		}
		all.Wait()
	}
	charges := byReference(steady.client.entries(t))
	for reference, n := range charges {
		if n != 1 {
			t.Errorf("%s was charged %d times", reference, n)
		}
	}
	if len(charges) != keys {
		t.Errorf("%d keys were charged, of %d", len(charges), keys)
	}
}
