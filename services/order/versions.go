package order

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/pkg/problem"
)

// form is the version of the API in which a client speaks and is answered.
type form int

// forms are those that there are, the newest first.
func forms() []form { return []form{2, 1} }

func (f form) show(o Order) any {
	if f == 2 {
		return resourceV2(o)
	}
	return resource(o)
}

// address is where an order can be read in this form; without an id where all can.
func (f form) address(id string) string {
	if id == "" {
		return fmt.Sprintf("/v%d/orders", f)
	}
	return fmt.Sprintf("/v%d/orders/%s", f, id)
}

// media is the media type of this form, for clients that choose it by name.
func (f form) media() string { return fmt.Sprintf("application/vnd.ordersaga.v%d+json", f) }

const (
	versionHeader = "API-Version"
	plainJSON     = "application/json"
)

// orderAddress matches the addresses that have versions: orders, one of them, and its cancel. Without a version in
// the address the headers choose.
var orderAddress = regexp.MustCompile(`^(?:/v([0-9]+))?(/orders(?:/[^/]+(?:/cancel)?)?)$`)

// versioned finds out which form a request is in, by its address, by API-Version or by its media types, and leaves
// it to the handlers of that form. What they do not see of it: that there was a choice.
func versioned(spec *openapi3.T, next http.Handler) http.Handler {
	first := noticeOf(spec)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := orderAddress.FindStringSubmatch(r.URL.Path)
		if at == nil {
			next.ServeHTTP(w, r)
			return
		}
		// Whoever keeps an answer must not give it to somebody who asks for another form; and an order changes.
		w.Header().Set("Vary", "Accept, "+versionHeader)
		w.Header().Set("Cache-Control", "private, no-cache")
		chosen, media, err := negotiate(at[1], r.Header)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set(versionHeader, strconv.Itoa(int(chosen)))
		if chosen == 1 {
			first.write(w.Header(), form(2).address("")+strings.TrimPrefix(at[2], "/orders"))
		}
		next.ServeHTTP(typed{w, media}, addressed(r, chosen, at[2]))
	})
}

// addressed is the request as the chosen form's own handlers expect it; most are as they should be already.
func addressed(r *http.Request, chosen form, path string) *http.Request {
	path = fmt.Sprintf("/v%d%s", chosen, path)
	named := mediaType(r.Header.Get("Content-Type")) == chosen.media()
	if r.URL.Path == path && !named {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	if named {
		r.Header.Set("Content-Type", plainJSON)
	}
	return r
}

// typed answers in the media type that the client has chosen.
type typed struct {
	http.ResponseWriter
	media string
}

// WriteHeader writes the header; a problem keeps its own type.
func (w typed) WriteHeader(status int) {
	if w.Header().Get("Content-Type") == plainJSON {
		w.Header().Set("Content-Type", w.media)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w typed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// notice is what the first form's answers say of its end (RFC 9745, RFC 8594). The contract has the dates.
type notice struct{ deprecation, sunset string }

func noticeOf(spec *openapi3.T) notice {
	operation := spec.Paths.Find(form(1).address("")).Post
	date := func(extension string) time.Time {
		text, _ := operation.Extensions[extension].(string)
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			panic(fmt.Errorf("the contract's %s: %w", extension, err)) // the embedded contract is ours
		}
		return day
	}
	return notice{
		deprecation: fmt.Sprintf("@%d", date("x-deprecated-at").Unix()),
		sunset:      date("x-sunset").Format(http.TimeFormat),
	}
}

func (n notice) write(h http.Header, successor string) {
	h.Set("Deprecation", n.deprecation)
	h.Set("Sunset", n.sunset)
	h.Add("Link", fmt.Sprintf(`<%s>; rel="successor-version"`, successor))
}
