package ijson_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/problem"
)

func TestRead_TakesOneValueAsItWasSent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"for": "10s"}`:                true,
		` {"for": "é"} `:                true,
		`{"for": "10s", "for": "20s"}`:  false,
		`{"for": "10s", "until": "12"}`: false,
		`{"for": "10s"} {}`:             false,
		`{"for": "10s"`:                 false,
		`{"for": 10}`:                   false,
		"{\"for\": \"\xff\"}":           false,
		`{"for": "\ud800"}`:             false,
		``:                              false,
	} {
		var into struct {
			For string `json:"for"`
		}
		if err := ijson.Read(strings.NewReader(text), &into); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEncoded_TakesUTF8AloneNamedOnce(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]struct {
		types, encodings []string
		status           int
	}{
		"nothing passes":                  {nil, nil, 0},
		"UTF-8 by its name passes":        {[]string{`application/json; charset="UTF-8"`}, []string{"identity"}, 0},
		"another parameter passes":        {[]string{"application/json; version=1"}, nil, 0},
		"two headers":                     {[]string{"application/json", "application/json"}, nil, 400},
		"two headers, one empty":          {[]string{"application/json", ""}, nil, 400},
		"two headers in one":              {[]string{"application/json, application/json"}, nil, 415},
		"another charset":                 {[]string{"application/json;charset=latin1"}, nil, 415},
		"an empty charset":                {[]string{`application/json; charset=""`}, nil, 415},
		"two charsets":                    {[]string{"application/json; charset=utf-8; charset=latin1"}, nil, 415},
		"two charsets, the same":          {[]string{"application/json; charset=utf-8; charset=utf-8"}, nil, 415},
		"two charsets, one in parts":      {[]string{"application/json; charset=latin1; charset*0=utf-8"}, nil, 415},
		"another charset, encoded":        {[]string{"application/json; charset*=us-ascii''latin1"}, nil, 415},
		"what is no media type":           {[]string{"application/json; charset"}, nil, 415},
		"a compressed body":               {nil, []string{"gzip"}, 415},
		"a compressed body, named second": {nil, []string{"identity", "gzip"}, 415},
	} {
		err := ijson.Encoded(http.Header{"Content-Type": test.types, "Content-Encoding": test.encodings})
		refused, is := errors.AsType[*problem.Error](err)
		if is != (test.status > 0) || is && refused.Status != test.status {
			t.Errorf("%s: %v, want %d", sentence, err, test.status)
		}
		if test.status == http.StatusBadRequest && !strings.Contains(refused.Detail, "Content-Type") {
			t.Errorf("%s: the header is not named: %s", sentence, refused.Detail)
		}
	}
}
