package sagas_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"example.com/ordersaga/apps/internal/console/sagas"
)

// page is a browser tab with an open stream.
type page struct {
	t     testing.TB
	lines *bufio.Scanner
	last  string // the id of the last message
}

// openPage opens a stream, from the last update that the page got, or from the beginning.
func openPage(t testing.TB, address, last string) *page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", last)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return &page{t, lines, last}
}

// until reads until an update is the wanted one.
func (p *page) until(wanted func(sagas.Update) bool) sagas.Update {
	p.t.Helper()
	for p.lines.Scan() {
		if id, is := strings.CutPrefix(p.lines.Text(), "id: "); is {
			p.last = id
		}
		data, is := strings.CutPrefix(p.lines.Text(), "data: ")
		if !is {
			continue
		}
		var update sagas.Update
		if err := json.Unmarshal([]byte(data), &update); err != nil {
			p.t.Fatal(err)
		}
		if wanted(update) {
			return update
		}
	}
	p.t.Fatalf("the stream ended: %v", p.lines.Err())
	return sagas.Update{}
}

func about(order, step string) func(sagas.Update) bool {
	return func(update sagas.Update) bool {
		for _, s := range update.Sagas {
			if s.Order == order && s.Step == step {
				return true
			}
		}
		return false
	}
}
