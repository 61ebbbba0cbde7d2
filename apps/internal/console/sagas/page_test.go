package sagas_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"example.com/ordersaga/apps/internal/console/sagas"
)

// page is a browser that listens.
type page struct {
	t     *testing.T
	lines *bufio.Scanner
	last  string // the id of the last message
}

// listen opens the stream, as a page that was told something already, or nothing.
func listen(t *testing.T, address, last string) *page {
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

// hears reads until there is news that is wanted.
func (p *page) hears(wanted func(sagas.News) bool) sagas.News {
	p.t.Helper()
	for p.lines.Scan() {
		if id, is := strings.CutPrefix(p.lines.Text(), "id: "); is {
			p.last = id
		}
		data, is := strings.CutPrefix(p.lines.Text(), "data: ")
		if !is {
			continue
		}
		var news sagas.News
		if err := json.Unmarshal([]byte(data), &news); err != nil {
			p.t.Fatal(err)
		}
		if wanted(news) {
			return news
		}
	}
	p.t.Fatalf("the stream ended: %v", p.lines.Err())
	return sagas.News{}
}

func about(order, step string) func(sagas.News) bool {
	return func(news sagas.News) bool {
		for _, s := range news.Sagas {
			if s.Order == order && s.Step == step {
				return true
			}
		}
		return false
	}
}
