package idempotency

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/ordersaga/pkg/problem"
)

// Header is the name of the request header that carries the key.
const Header = "Idempotency-Key"

// maxKey is how long a key may be: a UUID needs 36, and an index entry should stay small.
const maxKey = 255

// Request identifies what a client asks for.
type Request struct {
	Scope       string // which operation the key belongs to: the same key elsewhere is another key
	Key         string
	Fingerprint []byte // SHA-256 of the operation and the body: another body under the key is another request
}

// FromRequest reads the key of a request and fingerprints method, path and body. A key that is missing
// or malformed is a [problem.Error] with status 400.
func FromRequest(r *http.Request, scope string, body []byte) (Request, error) {
	values := r.Header.Values(Header)
	if len(values) == 0 {
		return Request{}, badKey("Send an Idempotency-Key header: a new one for each new request, the same one to retry.")
	}
	if len(values) > 1 { // which one would count?
		return Request{}, badKey("Send exactly one Idempotency-Key header.")
	}
	return newRequest(scope, values[0], r.Method+" "+r.URL.Path, body)
}

// ForOperation is [FromRequest] for generated handlers, which get the header and the body already parsed.
// Operation is method and path, for example "POST /v1/orders".
func ForOperation(operation, scope, header string, body any) (Request, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return Request{}, fmt.Errorf("fingerprint %s: %w", operation, err)
	}
	return newRequest(scope, header, operation, encoded)
}

func newRequest(scope, header, operation string, body []byte) (Request, error) {
	key, ok := parseKey(strings.Trim(header, " \t"))
	if !ok {
		return Request{}, badKey("An Idempotency-Key is 1 to 255 visible ASCII characters, bare or as a quoted string.")
	}
	return Request{Scope: scope, Key: key, Fingerprint: fingerprint(operation, body)}, nil
}

func badKey(detail string) error {
	return &problem.Error{Status: http.StatusBadRequest, Title: "Idempotency-Key missing or malformed", Detail: detail}
}

// parseKey reads a quoted string of RFC 9651 or a bare token; both name the key inside the quotes.
func parseKey(value string) (string, bool) {
	key, ok := value, !strings.Contains(value, `"`)
	if strings.HasPrefix(value, `"`) {
		key, ok = unquote(value)
	}
	if !ok || key == "" || len(key) > maxKey {
		return "", false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", false
		}
	}
	return key, true
}

// unquote takes the quotes and backslashes off a structured-field string. Parameters after it are refused,
// because the draft defines none.
func unquote(value string) (string, bool) {
	var key strings.Builder
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '"':
			return key.String(), i == len(value)-1
		case '\\':
			i++
			if i == len(value) || value[i] != '"' && value[i] != '\\' {
				return "", false
			}
		}
		key.WriteByte(value[i])
	}
	return "", false
}

// fingerprint is the SHA-256 of what the client asked for. A zero byte cannot occur in a method or a path,
// so operation and body cannot run into each other.
func fingerprint(operation string, body []byte) []byte {
	sum := sha256.Sum256(append([]byte(operation+"\x00"), canonical(body)...))
	return sum[:]
}

// canonical makes bodies equal that differ only in white space, escapes or the order of keys: a client
// that encodes its request anew for a retry must not be refused. Numbers keep their digits. A body that is not JSON
// is used as it is, and so is one that a decoder would change: with bytes that are not UTF-8, half a surrogate pair, or
// two members of one name (RFC 7493). Else two different bodies had one fingerprint.
func canonical(body []byte) []byte {
	if !jsontext.Value(body).IsValid() {
		return body
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return body
	}
	sorted, err := json.Marshal(value) // maps are written in key order
	if err != nil {
		return body
	}
	return sorted
}
