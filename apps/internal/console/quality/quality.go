// Package quality shows the quality scenarios: the utility tree, and how each scenario stands today. The page is made
// here and needs no script.
package quality

import (
	_ "embed" // the page and what it shows
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"

	"example.com/ordersaga/apps/internal/quality"
)

// What `sagactl quality run` has written to docs/quality, too. A page that is built elsewhere has no checkout.
var (
	//go:embed scenarios.yaml
	scenarios []byte
	//go:embed results.json
	results []byte
	//go:embed page.html
	page string
)

// Page puts the scenarios into the frame of all pages, in the place of its first paragraph.
func Page(frame string) (http.HandlerFunc, error) {
	all, err := quality.Read(scenarios)
	if err != nil {
		return nil, err
	}
	var measured []quality.Result
	if err := json.Unmarshal(results, &measured); err != nil {
		return nil, err
	}
	draw, err := template.New("page").Funcs(template.FuncMap{
		"in": quality.In, "percent": quality.Percent, "risks": quality.Risks, "points": quality.Points, "tree": quality.Tree,
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	before, rest, _ := strings.Cut(frame, "<p>Loading")
	_, after, _ := strings.Cut(rest, "</p>")
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write([]byte(before))
		if err := draw.Execute(w, quality.Judge(all, measured, time.Now())); err != nil {
			panic(http.ErrAbortHandler) // half a page: the client sees that it is none
		}
		w.Write([]byte(after))
	}, nil
}
