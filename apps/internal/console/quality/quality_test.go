package quality_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/ordersaga/apps/internal/console/quality"
	book "example.com/ordersaga/apps/internal/quality"
)

func TestPage_ShowsEveryScenario(t *testing.T) {
	t.Parallel()
	page, err := quality.Page("<main><p>Loading. <a>again</a>.</p></main><noscript></noscript>")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	page(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/quality", nil))
	got := w.Body.String()
	if !strings.HasPrefix(got, "<main><div") || !strings.HasSuffix(got, "</div>\n</main><noscript></noscript>") || strings.Contains(got, "Loading") {
		t.Errorf("the frame is gone: %.40s … %s", got, got[max(0, len(got)-60):])
	}
	b, err := book.OpenAt("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range b.Scenarios {
		if !strings.Contains(got, `<details id="`+s.ID+`">`) {
			t.Errorf("%s is not there", s.ID)
		}
	}
	for _, tag := range []string{"details", "ul", "li", "section", "dl"} {
		if open, closed := strings.Count(got, "<"+tag), strings.Count(got, "</"+tag+">"); open != closed {
			t.Errorf("%d <%s> and %d </%s>", open, tag, closed, tag)
		}
	}
}
