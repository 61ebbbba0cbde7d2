//go:build browser

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// scenarios come ready from the console: the page needs no script, and stays when the frame's has run.
func scenarios(t *testing.T, s *shop) {
	p := s.visit(t, "/quality", 320, 700)
	p.accessible()
	p.do(chromedp.Click("#no-double-charge summary", chromedp.ByQuery))
	p.reads("#no-double-charge dl", "TestService_AReservationDeliveredAHundredTimesIsChargedOnce")
	p.reads(".quality", "Trade-offs")
	p.accessible()
	if state := value[string](p, "document.querySelector('#no-double-charge .state').textContent"); state == "" {
		t.Error("a scenario has no state")
	}
}
