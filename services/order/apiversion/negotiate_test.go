package apiversion

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// FuzzNegotiate: whatever clients send, the answer is in a version that there is, and in a type that they named or
// that is plain.
func FuzzNegotiate(f *testing.F) {
	for _, accept := range []string{"", "*/*", V1.MediaType(), V2.MediaType() + ";q=0.5, */*", "application/json;q=0", "a/b;q=2, ,;;", V2.MediaType() + ", text/*;q=NaN"} {
		f.Add("", "", "", accept)
		f.Add("2", "1", "", accept)
		f.Add("", "2", V2.MediaType(), accept)
	}
	f.Fuzz(func(t *testing.T, inAddress, header, body, accept string) {
		h := http.Header{"Accept": {accept}}
		if header != "" {
			h.Set("API-Version", header)
		}
		if body != "" {
			h.Set("Content-Type", body)
		}
		chosen, media, err := negotiate(inAddress, h)
		if err != nil {
			return
		}
		if chosen != 1 && chosen != 2 || media != PlainJSON && media != chosen.MediaType() {
			t.Fatalf("version %d as %q", chosen, media)
		}
		for by, named := range map[string]string{"the address": inAddress, "the header": header} {
			if named != "" && named != fmt.Sprint(int(chosen)) {
				t.Fatalf("%s names %q, and is answered in %d", by, named, chosen)
			}
		}
		if media != PlainJSON && !strings.Contains(strings.ToLower(accept), media) {
			t.Fatalf("%q is answered as %q", accept, media)
		}
	})
}
