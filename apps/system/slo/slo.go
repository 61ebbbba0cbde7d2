// Package slo reads a contract's service level objectives (x-quality in openapi.yaml), so that whoever measures can
// print the objective beside the measurement.
package slo

import (
	"encoding/json"
	"fmt"
	"strconv"

	inventory "example.com/ordersaga/services/inventory/api"
	order "example.com/ordersaga/services/order/api"
)

// What objectives are about. The benchmarks measure the first four, the chaos tests the last one.
const (
	AcceptedP99  = "accepted_p99_ms"
	CompletedP99 = "completed_p99_ms"
	AnsweredP99  = "answered_p99_ms"
	ErrorRate    = "error_rate"
	Availability = "availability"
)

// Objective is a bound on a measure, under a load.
type Objective struct {
	Operation string   `json:"operation"`
	Measure   string   `json:"measure"`
	While     string   `json:"while"`
	AtMost    *float64 `json:"at_most,omitempty"`
	AtLeast   *float64 `json:"at_least,omitempty"`
}

// Outcome is an objective and what was measured.
type Outcome struct {
	Objective
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

// Orders are the objectives of the order service's contract.
func Orders() ([]Objective, error) {
	spec, err := order.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the order contract: %w", err)
	}
	return of(spec.Info.Extensions)
}

// Stock are those of the inventory service's.
func Stock() ([]Objective, error) {
	spec, err := inventory.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the inventory contract: %w", err)
	}
	return of(spec.Info.Extensions)
}

func of(extensions map[string]any) (objectives []Objective, err error) {
	encoded, err := json.Marshal(extensions["x-quality"])
	if err == nil {
		err = json.Unmarshal(encoded, &objectives)
	}
	if err != nil {
		return nil, fmt.Errorf("read the objectives of a contract: %w", err)
	}
	return objectives, nil
}

// Check compares the objective with what was measured.
func (o Objective) Check(measured float64) Outcome {
	met := (o.AtMost == nil || measured <= *o.AtMost) && (o.AtLeast == nil || measured >= *o.AtLeast)
	return Outcome{o, measured, met}
}

// Bound is the objective's bound in words.
func (o Objective) Bound() string {
	if o.AtLeast != nil {
		return "at least " + number(*o.AtLeast)
	}
	return "at most " + number(*o.AtMost)
}

// Verdict is "met" or "missed".
func (o Outcome) Verdict() string {
	if o.Met {
		return "met"
	}
	return "missed"
}

// String is the objective and its outcome in one line.
func (o Outcome) String() string {
	return fmt.Sprintf("%s of %s: objective %s, measured %s: %s",
		o.Measure, o.Operation, o.Bound(), number(o.Measured), o.Verdict())
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
