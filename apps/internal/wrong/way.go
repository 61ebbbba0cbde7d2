// Package wrong shows what the guards of this code are for. Each wrong way is a page of docs/wrong with a small diff
// that looks reasonable. The package builds a service with that diff, starts the system, fires one trigger, and shows
// which invariants do not hold then, and how large the harm is; and the same with the code as it is.
package wrong

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/lab"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

// Folder has the pages, below the repository's root.
const Folder = "docs/wrong"

// Way is a wrong way: a page.
type Way struct {
	Name    string // of the page's file
	Title   string
	Page    string             // the file, below the repository's root
	Diff    string             // what is changed
	Service string             // that is built with the diff; the others are as they are
	System  supervisor.Options // that the trigger needs
	Trigger string             // makes the fault, in bash
	Red     []string           // the invariants that do not hold after the trigger, and no others
	Harm    string             // counts the harm, in bash
	Shows   *regexp.Regexp     // finds the harm in what Harm prints; its group [number] is how large it is
	Wrong   Bound              // of that number in the wrong system
	Right   Bound              // and in the right one
}

// number is the group of a regular expression that has how large the harm is.
const number = "n"

// deadline is how long an order may take while a way is run: nothing is to heal before it was seen.
const deadline = time.Hour

// Ways are all wrong ways of a repository, in the order of their names.
func Ways(root string) ([]Way, error) {
	files, err := filepath.Glob(filepath.Join(root, Folder, "*.md"))
	var ways []Way
	for _, file := range files {
		if filepath.Base(file) == "README.md" {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		w, err := Parse(filepath.ToSlash(filepath.Join(Folder, filepath.Base(file))), source)
		if err != nil {
			return nil, err
		}
		ways = append(ways, w)
	}
	return ways, err
}

// Parse reads a page: the blocks `diff wrong`, `sh run trigger` with `expect red=I1,I2`, and `sh run harm` with
// `expect regex wrong=>0 right=0`.
func Parse(path string, source []byte) (w Way, err error) {
	page, err := lab.Read(path, source)
	if err != nil {
		return w, err
	}
	w = Way{Name: strings.TrimSuffix(filepath.Base(path), ".md"), Title: page.Title, Page: path}
	w.System = supervisor.Options{Deadline: deadline, Faults: true, NoFsync: true}
	for _, part := range []struct {
		kind, flag string
		read       func(block, next lab.Block) error
	}{{"diff", "wrong", w.readDiff}, {"sh", "trigger", w.readTrigger}, {"sh", "harm", w.readHarm}} {
		is := func(b lab.Block) bool { return b.Kind == part.kind && b.Is(part.flag) }
		at := slices.IndexFunc(page.Blocks, is)
		if at < 0 || slices.ContainsFunc(page.Blocks[at+1:], is) {
			return w, fmt.Errorf("%s:1: a wrong way has one block of %s with the flag %q", path, part.kind, part.flag)
		}
		next := lab.Block{}
		if at+1 < len(page.Blocks) {
			next = page.Blocks[at+1]
		}
		if err := part.read(page.Blocks[at], next); err != nil {
			return w, fmt.Errorf("%s:%d: %w", path, page.Blocks[at].Line, err)
		}
	}
	return w, nil
}

// readDiff reads `diff wrong in=inventory`: what is changed, and the service that is built with it. With replicas=2
// this has two processes.
func (w *Way) readDiff(block, _ lab.Block) error {
	w.Diff, w.Service = block.Text, block.Flags["in"]
	if !slices.Contains(events.Consumers, events.Service(w.Service)) {
		return fmt.Errorf("the diff is in=%s, which is none of the services %v", w.Service, events.Consumers)
	}
	if lines := strings.Count(block.Text, "\n"); lines > longestDiff {
		return fmt.Errorf("the diff has %d lines, and is to have %d at most", lines, longestDiff)
	}
	if replicas := block.Flags["replicas"]; replicas != "" {
		n, err := strconv.Atoi(replicas)
		if err != nil {
			return fmt.Errorf("replicas=%s is no number", replicas)
		}
		w.System.Replicas = map[string]int{w.Service: n}
	}
	return nil
}

// longestDiff is how many lines a reader takes in at once.
const longestDiff = 40

func (w *Way) readTrigger(block, next lab.Block) error {
	w.Trigger = block.Text
	if next.Kind != "expect" || !next.Is("red") {
		return errors.New("behind the trigger stands which invariants do not hold: expect red=I6")
	}
	for _, invariant := range verify.Invariants() { // in their order, as verify reports them
		if slices.Contains(strings.Split(next.Flags["red"], ","), invariant.ID) {
			w.Red = append(w.Red, invariant.ID)
		}
	}
	if strings.Join(w.Red, ",") != next.Flags["red"] {
		return fmt.Errorf("red=%s are not invariants in their order", next.Flags["red"])
	}
	return nil
}

func (w *Way) readHarm(block, next lab.Block) (err error) {
	w.Harm = block.Text
	if next.Kind != "expect" || next.Expect.Mode != "regex" {
		return errors.New("behind the harm stands how it is read: expect regex wrong=>0 right=0")
	}
	if w.Shows, err = regexp.Compile(strings.TrimSpace(next.Text)); err != nil || w.Shows.SubexpIndex(number) < 0 {
		return fmt.Errorf("the harm is no regular expression with a group (?P<%s>…)", number)
	}
	w.Wrong, err = parseBound(next.Flags["wrong"])
	if err == nil {
		w.Right, err = parseBound(next.Flags["right"])
	}
	return err
}

// Bound is what a number has to be: so much, or more.
type Bound struct {
	N    int
	More bool
}

// Holds reports whether a number is as it has to be.
func (b Bound) Holds(n int) bool { return n == b.N && !b.More || n > b.N && b.More }

// String is the bound as a page has it.
func (b Bound) String() string {
	if b.More {
		return ">" + strconv.Itoa(b.N)
	}
	return strconv.Itoa(b.N)
}

func parseBound(text string) (b Bound, err error) {
	text, b.More = strings.CutPrefix(text, ">")
	if b.N, err = strconv.Atoi(text); err != nil {
		return b, fmt.Errorf("%q is no number, and no number behind >", text)
	}
	return b, nil
}
