// Package slo reads what a contract promises about its own quality (x-quality in openapi.yaml), so that
// whoever measures can print the promise beside it.
package slo

import (
	"encoding/json"
	"fmt"
	"strconv"

	inventory "example.com/ordersaga/services/inventory/api"
	order "example.com/ordersaga/services/order/api"
)

// What is promised, and measured by the benchmarks and by the storm.
const (
	AcceptedP99  = "accepted_p99_ms"
	CompletedP99 = "completed_p99_ms"
	AnsweredP99  = "answered_p99_ms"
	ErrorRate    = "error_rate"
	Availability = "availability"
)

// Promise is a bound on something that is measured while something else is the case.
type Promise struct {
	Operation string   `json:"operation"`
	Measure   string   `json:"measure"`
	While     string   `json:"while"`
	AtMost    *float64 `json:"at_most,omitempty"`
	AtLeast   *float64 `json:"at_least,omitempty"`
}

// Kept is a promise beside what was measured.
type Kept struct {
	Promise
	Measured float64 `json:"measured"`
	Holds    bool    `json:"holds"`
}

// OfOrders are the promises of the order service's contract.
func OfOrders() ([]Promise, error) {
	spec, err := order.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the order contract: %w", err)
	}
	return of(spec.Info.Extensions)
}

// OfStock are those of the inventory's.
func OfStock() ([]Promise, error) {
	spec, err := inventory.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the inventory contract: %w", err)
	}
	return of(spec.Info.Extensions)
}

func of(extensions map[string]any) ([]Promise, error) {
	encoded, err := json.Marshal(extensions["x-quality"])
	if err != nil {
		return nil, fmt.Errorf("read the promises of a contract: %w", err)
	}
	var promises []Promise
	if err := json.Unmarshal(encoded, &promises); err != nil {
		return nil, fmt.Errorf("read the promises of a contract: %w", err)
	}
	return promises, nil
}

// Beside puts what was measured beside what was promised.
func (p Promise) Beside(measured float64) Kept {
	holds := (p.AtMost == nil || measured <= *p.AtMost) && (p.AtLeast == nil || measured >= *p.AtLeast)
	return Kept{p, measured, holds}
}

// Bound is what was promised, in words.
func (p Promise) Bound() string {
	if p.AtLeast != nil {
		return "at least " + number(*p.AtLeast)
	}
	return "at most " + number(*p.AtMost)
}

// Verdict is whether it was kept, in a word.
func (k Kept) Verdict() string {
	if k.Holds {
		return "kept"
	}
	return "broken"
}

// String is the promise and what became of it, in a sentence.
func (k Kept) String() string {
	return fmt.Sprintf("%s of %s: promised %s, measured %s: %s", k.Measure, k.Operation, k.Bound(), number(k.Measured), k.Verdict())
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
