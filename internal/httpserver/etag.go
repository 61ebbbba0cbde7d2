package httpserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// Tagged gives every 200 to a GET an ETag, and answers 304 without a body to whoever has that answer already
// (RFC 9110, 13.1.2). So polling costs a query, and no bytes.
func Tagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		answer := &held{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if answer.status != http.StatusOK {
			w.WriteHeader(answer.status)
			w.Write(answer.body.Bytes())
			return
		}
		sum := sha256.Sum256(answer.body.Bytes())
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		if known := r.Header.Values("If-None-Match"); len(known) > 1 { // of two header lines ServeContent reads the first
			r.Header.Set("If-None-Match", strings.Join(known, ", "))
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(answer.body.Bytes()))
	})
}

// held is an answer that is not sent yet.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int)            { h.status = status }
func (h *held) Write(content []byte) (int, error) { return h.body.Write(content) }
