// Package quality keeps the quality scenarios of docs/quality/scenarios.yaml: each says how the system has to answer to
// something that happens, in a number, and names the command that measures it. The package runs these commands, judges
// the numbers, and draws the utility tree.
package quality

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Scenario is one quality that is asked of the system: who does what to which part of it, and what has to come of it.
type Scenario struct {
	ID          string  `yaml:"id" json:"id"`
	Quality     string  `yaml:"quality" json:"quality"`
	Concern     string  `yaml:"concern" json:"concern"`
	Source      string  `yaml:"source" json:"source"`
	Stimulus    string  `yaml:"stimulus" json:"stimulus"`
	Artefact    string  `yaml:"artefact" json:"artefact"`
	Environment string  `yaml:"environment" json:"environment"`
	Response    string  `yaml:"response" json:"response"`
	Measure     Measure `yaml:"measure" json:"measure"`
	Importance  string  `yaml:"importance" json:"importance"` // H, M or L
	Difficulty  string  `yaml:"difficulty" json:"difficulty"` // H, M or L
	ADRs        []int   `yaml:"adrs" json:"adrs"`             // the decisions that it judges
	Point       Point   `yaml:"point" json:"point"`

	Evidence     Evidence      `yaml:"evidence" json:"evidence"`
	AcceptedRisk *AcceptedRisk `yaml:"accepted_risk" json:"accepted_risk,omitempty"`
}

// Measure is the number that decides.
type Measure struct {
	What  string `yaml:"what" json:"what"`
	Unit  string `yaml:"unit" json:"unit"`
	Bound Bound  `yaml:"bound" json:"bound"`
}

// Point says whether one decision alone moves the number (sensitivity), and whether it moves another scenario's the
// other way (trade-off).
type Point struct {
	Kind      string `yaml:"kind" json:"kind"` // none, sensitivity or trade-off
	Of        string `yaml:"of" json:"of,omitempty"`
	Against   string `yaml:"against" json:"against,omitempty"`       // the other scenario
	DecidedBy int    `yaml:"decided_by" json:"decided_by,omitempty"` // the ADR that chose
}

// Evidence is how the number is measured.
type Evidence struct {
	Command string        `yaml:"command" json:"command"`
	Reads   string        `yaml:"reads" json:"reads"`     // a regular expression with the group value
	Cadence string        `yaml:"cadence" json:"cadence"` // one of Cadences
	Days    int           `yaml:"days" json:"days"`       // after which a result is stale
	Needs   string        `yaml:"needs" json:"needs,omitempty"`
	Limit   time.Duration `yaml:"limit" json:"limit,omitempty"`
}

// AcceptedRisk is that somebody knows that the scenario may not hold, and lives with it for a while.
type AcceptedRisk struct {
	Until string `yaml:"until" json:"until"`
	Why   string `yaml:"why" json:"why"`
}

// Cadences are how often evidence is to be had.
var Cadences = []string{"every commit", "nightly", "by hand"}

// Bound is what the number has to be: "at most 3", "at least 0.5", "exactly 0".
type Bound struct {
	Kind string
	At   float64
}

// UnmarshalYAML reads a bound.
func (b *Bound) UnmarshalYAML(node *yaml.Node) error {
	at := strings.LastIndexByte(node.Value, ' ')
	number, err := strconv.ParseFloat(node.Value[at+1:], 64)
	if at < 0 || !slices.Contains([]string{"at most", "at least", "exactly"}, node.Value[:at]) ||
		err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return fmt.Errorf("line %d: measure.bound must be like `at most 3`, `at least 0.5` or `exactly 0`", node.Line)
	}
	b.Kind, b.At = node.Value[:at], number
	return nil
}

// MarshalText writes it as it was read.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bound) String() string { return b.Kind + " " + strconv.FormatFloat(b.At, 'f', -1, 64) }

// Holds judges a number.
func (b Bound) Holds(number float64) bool {
	switch b.Kind {
	case "at most":
		return number <= b.At
	case "at least":
		return number >= b.At
	}
	return number == b.At
}

// Impossible is the same bound where no number can keep it. What passes there would pass anywhere.
func (b Bound) Impossible() Bound {
	switch b.Kind {
	case "at most":
		return Bound{b.Kind, math.Inf(-1)}
	case "at least":
		return Bound{b.Kind, math.Inf(1)}
	}
	return Bound{b.Kind, math.NaN()}
}

// Read reads the scenarios, and refuses what cannot be run or drawn. An error is one line that names the field.
func Read(source []byte) ([]Scenario, error) {
	var all []Scenario
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		return nil, oneLine(err, source)
	}
	ids := map[string]bool{}
	for _, s := range all {
		if ids[s.ID] {
			return nil, fmt.Errorf("id %s is there twice", s.ID)
		}
		ids[s.ID] = true
	}
	for i, s := range all {
		if err := s.check(ids); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", cmp.Or(s.ID, "number "+strconv.Itoa(i+1)), err)
		}
	}
	return all, nil
}

var atLine = regexp.MustCompile(`line (\d+): `)

// oneLine is the first thing that is wrong, with the line on which it stands, since that has the field's name. The
// parser counts some lines from zero, so it is near.
func oneLine(err error, source []byte) error {
	text := err.Error()
	if wrong, is := errors.AsType[*yaml.TypeError](err); is {
		text = wrong.Errors[0]
	}
	if at := atLine.FindStringSubmatch(text); at != nil {
		number, _ := strconv.Atoi(at[1]) // digits
		if lines := strings.Split(string(source), "\n"); number >= 1 && number <= len(lines) {
			text += " (near: " + strings.TrimSpace(lines[number-1]) + ")"
		}
	}
	return errors.New(strings.ReplaceAll(text, "\n", " "))
}

// check finds what is missing or is none of what there is.
func (s Scenario) check(ids map[string]bool) error {
	for _, field := range []struct{ name, value string }{
		{"id", s.ID}, {"quality", s.Quality}, {"concern", s.Concern}, {"source", s.Source}, {"stimulus", s.Stimulus},
		{"artefact", s.Artefact}, {"environment", s.Environment}, {"response", s.Response},
		{"measure.what", s.Measure.What}, {"measure.unit", s.Measure.Unit}, {"measure.bound", s.Measure.Bound.Kind},
		{"evidence.command", s.Evidence.Command},
	} {
		if strings.TrimSpace(field.value) == "" {
			return errors.New(field.name + " is missing")
		}
	}
	for _, field := range []struct {
		name, value string
		of          []string
	}{
		{"importance", s.Importance, degrees},
		{"difficulty", s.Difficulty, degrees},
		{"point.kind", s.Point.Kind, []string{"none", "sensitivity", "trade-off"}},
		{"evidence.cadence", s.Evidence.Cadence, Cadences},
	} {
		if !slices.Contains(field.of, field.value) {
			return fmt.Errorf("%s must be %s, and is %q", field.name, strings.Join(field.of, ", "), field.value)
		}
	}
	return cmp.Or(s.Point.check(s.ID, ids), s.Evidence.check(), s.AcceptedRisk.check(), s.judges())
}

func (s Scenario) judges() error {
	if len(s.ADRs) == 0 {
		return errors.New("adrs is missing")
	}
	return nil
}

func (p Point) check(id string, ids map[string]bool) error {
	switch {
	case p.Kind != "none" && p.Of == "":
		return errors.New("point.of is missing")
	case p.Kind != "trade-off":
		return nil
	case !ids[p.Against] || p.Against == id:
		return fmt.Errorf("point.against must be another scenario's id, and is %q", p.Against)
	case p.DecidedBy == 0:
		return errors.New("point.decided_by is missing")
	}
	return nil
}

func (e Evidence) check() error {
	reads, err := regexp.Compile(e.Reads)
	switch {
	case err != nil:
		return fmt.Errorf("evidence.reads: %w", err)
	case reads.SubexpIndex("value") < 0:
		return errors.New("evidence.reads has no group (?P<value>…)")
	case e.Days <= 0:
		return errors.New("evidence.days must be a number of days")
	}
	return nil
}

func (a *AcceptedRisk) check() error {
	if a == nil {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, a.Until); err != nil {
		return fmt.Errorf("accepted_risk.until must be a day like 2026-12-31, and is %q", a.Until)
	}
	if a.Why == "" {
		return errors.New("accepted_risk.why is missing")
	}
	return nil
}
