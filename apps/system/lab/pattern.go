package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// patternSections are those that every page of docs/patterns has, in this order.
var patternSections = []string{
	"What it is", "Where it stands here", "See it in two minutes", "What it costs, and when not", "What measures it",
}

// ParsePattern reads a page of docs/patterns. Each of its blocks is run, and none is a break.
func ParsePattern(path string, source []byte) (*Page, error) {
	p, err := Read(path, source)
	if err != nil {
		return nil, err
	}
	problems := []error{}
	if !slices.Equal(p.Sections, patternSections) {
		problems = append(problems, fmt.Errorf("%s:1: the sections are %s, not %s", path,
			strings.Join(patternSections, " · "), strings.Join(p.Sections, " · ")))
	}
	if p.first(run) == nil && p.first(query) == nil {
		problems = append(problems, fmt.Errorf("%s:1: no block is run", path))
	}
	for i := range p.Blocks {
		if err := p.checkBlock(i); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, p.Blocks[i].Line, err))
		}
	}
	return p, errors.Join(problems...)
}

// Starts reports whether the page starts a system of its own.
func (p *Page) Starts() bool { return p.first(start) != nil }
