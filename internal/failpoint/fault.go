package failpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is what goes wrong.
type Kind string

// What can go wrong.
const (
	Crash     Kind = "crash"     // the process ends as by SIGKILL
	Error     Kind = "error"     // At returns an error
	Delay     Kind = "delay"     // At takes longer
	Duplicate Kind = "duplicate" // the caller does once more what it just did
	Hold      Kind = "hold"      // At waits until released
)

// Fault is what is to happen, where, to whom and how often.
type Fault struct {
	Point   Point         // required
	Kind    Kind          // required
	Text    string        // of an error; optional
	Delay   time.Duration // of a delay; required there
	Order   string        // only for this order; empty: for any
	Times   int           // how often it fires; 0: any number
	Percent int           // in how many of 100 cases it fires; 0 means 100
	For     time.Duration // how long it stays armed; 0: for ever
}

// String is the fault as it is written in the environment; [Parse] reads it.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%s", f.Point, f.Kind)
	switch {
	case f.Kind == Delay:
		fmt.Fprintf(&b, ":%s", f.Delay)
	case f.Text != "":
		fmt.Fprintf(&b, ":%s", f.Text)
	}
	if f.Order != "" {
		fmt.Fprintf(&b, ";order=%s", f.Order)
	}
	fmt.Fprintf(&b, ";times=%d", f.Times)
	if f.Percent != 0 && f.Percent != 100 {
		fmt.Fprintf(&b, ";percent=%d", f.Percent)
	}
	if f.For != 0 {
		fmt.Fprintf(&b, ";for=%s", f.For)
	}
	return b.String()
}

// Parse reads a list of faults; the package comment has the grammar.
func Parse(list string) ([]Fault, error) {
	var faults []Fault
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		f, err := parse(text)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func parse(text string) (Fault, error) {
	head, options, _ := strings.Cut(text, ";")
	point, what, ok := strings.Cut(head, "=")
	if !ok {
		return Fault{}, errors.New("is not point=kind")
	}
	kind, argument, _ := strings.Cut(what, ":")
	f := Fault{Point: Point(point), Kind: Kind(kind), Times: 1}
	switch {
	case f.Kind == Delay:
		var err error
		if f.Delay, err = time.ParseDuration(argument); err != nil {
			return f, errors.New("delay needs a duration, as in delay:200ms")
		}
	case f.Kind == Error:
		f.Text = argument
	case argument != "":
		return f, fmt.Errorf("%s takes no argument", kind)
	}
	for option := range strings.SplitSeq(options, ";") {
		if err := f.set(option); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *Fault) set(option string) (err error) {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "":
	case "order":
		f.Order = value
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "percent":
		f.Percent, err = strconv.Atoi(value)
	case "for":
		f.For, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown option %q: there are order, times, percent and for", name)
	}
	if err != nil {
		return fmt.Errorf("option %s=%s is not understood", name, value)
	}
	return nil
}

// check refuses a fault that cannot be armed.
func (f Fault) check() error {
	known := false
	for _, p := range Points() {
		known = known || p.Point == f.Point
	}
	switch {
	case !known:
		return fmt.Errorf("there is no point %q", f.Point)
	case f.Kind != Crash && f.Kind != Error && f.Kind != Delay && f.Kind != Duplicate && f.Kind != Hold:
		return fmt.Errorf("there is no kind %q: there are crash, error, delay, duplicate and hold", f.Kind)
	case f.Kind == Delay && f.Delay <= 0:
		return errors.New("delay needs a duration, as in delay:200ms")
	case f.Kind != Delay && f.Delay != 0:
		return errors.New("only a delay has a duration")
	case f.Kind != Error && f.Text != "":
		return errors.New("only an error has a text")
	case f.Times < 0 || f.Percent < 0 || f.Percent > 100 || f.For < 0:
		return errors.New("times, percent (1 to 100) and for must not be negative")
	case strings.ContainsAny(f.Order+f.Text, ",;"):
		return errors.New("order and text must not hold commas or semicolons")
	}
	return nil
}
