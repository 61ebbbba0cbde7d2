package quality

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	folder = "docs/quality"
	// copies is where the console has what it shows: a program embeds only what stands beside its source.
	copies = "apps/internal/console/quality"
)

// Book is the scenarios and results of a checkout.
type Book struct {
	Root      string
	Scenarios []Scenario
	Results   []Result
}

// Open reads the checkout around the working directory.
func Open() (*Book, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(root, folder)); err == nil {
			return OpenAt(root)
		}
		if root == filepath.Dir(root) {
			return nil, errors.New("the scenarios stand in a checkout of ordersaga, and this folder is in none")
		}
		root = filepath.Dir(root)
	}
}

// OpenAt reads the checkout in a folder.
func OpenAt(root string) (*Book, error) {
	name := filepath.Join(folder, "scenarios.yaml")
	source, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	b := &Book{Root: root}
	if b.Scenarios, err = Read(source); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	name = filepath.Join(folder, "results.json")
	content, err := os.ReadFile(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil // nothing was ever run
	}
	if err == nil {
		err = json.Unmarshal(content, &b.Results)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// Choose are the scenarios with these ids, or all, and of these the ones of a cadence, or all.
func (b *Book) Choose(ids []string, cadence string) ([]Scenario, error) {
	if cadence != "" && !slices.Contains(Cadences, cadence) {
		return nil, fmt.Errorf("--cadence must be %s, and is %q", strings.Join(Cadences, ", "), cadence)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(b.Scenarios, func(s Scenario) bool { return s.ID == id }) {
			return nil, fmt.Errorf("there is no scenario %q", id)
		}
	}
	var chosen []Scenario
	for _, s := range b.Scenarios {
		if (len(ids) == 0 || slices.Contains(ids, s.ID)) && (cadence == "" || s.Evidence.Cadence == cadence) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// Write keeps new results in the checkout, and writes the page that follows from them.
func (b *Book) Write(measured []Result) error {
	b.Results = Merge(b.Scenarios, b.Results, measured)
	text, err := b.Page()
	if err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(b.Root, folder, "scenarios.yaml"))
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{folder + "/README.md", []byte(text)}, {copies + "/scenarios.yaml", source}} {
		if err := os.WriteFile(filepath.Join(b.Root, file.name), file.content, public); err != nil {
			return err
		}
	}
	for _, where := range []string{folder, copies} {
		if err := b.WriteTo(filepath.Join(b.Root, where, "results.json"), b.Results); err != nil {
			return err
		}
	}
	return nil
}

const public = 0o644 // pages are for everybody

// WriteTo writes results to a file.
func (b *Book) WriteTo(name string, results []Result) error {
	content, err := json.MarshalIndent(results, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(content, '\n'), public)
}

// Page is the page as the newest result left it, so that it does not change by itself.
func (b *Book) Page() (string, error) {
	var newest time.Time
	for _, r := range b.Results {
		if r.Time.After(newest) {
			newest = r.Time
		}
	}
	return Page(b.Root, Judge(b.Scenarios, b.Results, newest))
}
