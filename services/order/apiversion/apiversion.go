// Package apiversion chooses the version of the orders API in which a request is made and answered: by its address,
// by the header API-Version, or by the media types of Accept and Content-Type. A request without a version gets the
// first one, now and always: a client that knows nothing of versions must not break when there is a new one.
package apiversion

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/pkg/problem"
)

// Version is a version of the API.
type Version int

// The versions that there are.
const (
	V1 Version = 1
	V2 Version = 2
)

// all are the versions, newest first: of two that a client accepts alike it gets the newer one.
var all = [...]Version{V2, V1}

const (
	// Header is where a request may name its version, and where every answer does.
	Header = "API-Version"
	// PlainJSON is the media type that names no version.
	PlainJSON = "application/json"
)

// String is the version as headers and addresses have it: "1".
func (v Version) String() string { return fmt.Sprint(int(v)) }

// Parse reads what [Version.String] has written.
func Parse(text string) (Version, error) {
	for _, v := range all {
		if v.String() == text {
			return v, nil
		}
	}
	return 0, fmt.Errorf("there is no version %q", text)
}

// Path is where an order can be read in this version; without an id, where all can.
func (v Version) Path(orderID string) string {
	return strings.TrimSuffix(fmt.Sprintf("/v%d/orders/%s", v, orderID), "/")
}

// MediaType is what a client names to choose this version by Accept or Content-Type.
func (v Version) MediaType() string { return fmt.Sprintf("application/vnd.ordersaga.v%d+json", v) }

// paths matches the addresses that have versions: orders, one of them, and its cancel.
var paths = regexp.MustCompile(`^(?:/v([0-9]+))?(/orders(?:/[^/]+(?:/cancel)?)?)$`)

// Choose gives each request to the handlers of its version. They see the request as it is made in that version's own
// address and in plain JSON, however the version was chosen.
func Choose(spec *openapi3.T, next http.Handler) http.Handler {
	deprecation, sunset := datesOf(spec)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := paths.FindStringSubmatch(r.URL.Path)
		if at == nil {
			next.ServeHTTP(w, r)
			return
		}
		// A cache must not answer in another version than the one that is asked for; and an order changes.
		w.Header().Set("Vary", "Accept, "+Header)
		w.Header().Set("Cache-Control", "private, no-cache")
		version, media, err := negotiate(at[1], r.Header)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set(Header, version.String())
		if version == V1 {
			w.Header().Set("Deprecation", deprecation)
			w.Header().Set("Sunset", sunset)
			successor := url.URL{Path: V2.Path("") + strings.TrimPrefix(at[2], "/orders")}
			w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="successor-version"`, successor.EscapedPath()))
		}
		next.ServeHTTP(typedWriter{w, media}, inVersion(r, version, at[2]))
	})
}

// inVersion is the request as the version's own handlers expect it; most are already.
func inVersion(r *http.Request, v Version, path string) *http.Request {
	path = fmt.Sprintf("/v%d%s", v, path)
	named := mediaType(r.Header.Get("Content-Type")) == v.MediaType()
	if r.URL.Path == path && !named {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	if named {
		given := r.Header["Content-Type"] // the validator sees all that was sent, but for the name
		_, parameters, _ := strings.Cut(given[0], ";")
		given[0] = PlainJSON + ";" + parameters
	}
	return r
}

// typedWriter answers in the media type that the client has chosen.
type typedWriter struct {
	http.ResponseWriter
	media string
}

// WriteHeader writes the header; a problem keeps its own type.
func (w typedWriter) WriteHeader(status int) {
	if w.Header().Get("Content-Type") == PlainJSON {
		w.Header().Set("Content-Type", w.media)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w typedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// datesOf reads from the contract when the first version was deprecated and when it ends, as headers have them
// (RFC 9745, RFC 8594).
func datesOf(spec *openapi3.T) (deprecation, sunset string) {
	operation := spec.Paths.Find(V1.Path("")).Post
	date := func(extension string) time.Time {
		text, _ := operation.Extensions[extension].(string)
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			panic(fmt.Errorf("the contract's %s: %w", extension, err)) // the embedded contract is ours
		}
		return day
	}
	return fmt.Sprintf("@%d", date("x-deprecated-at").Unix()), date("x-sunset").Format(http.TimeFormat)
}
