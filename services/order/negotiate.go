package order

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"example.com/ordersaga/pkg/problem"
)

// negotiate chooses a form and the media type of the answer. Who says nothing gets the first form, now and
// always: a client that knows nothing of versions must not be broken by a new one.
func negotiate(inAddress string, h http.Header) (form, string, error) {
	demanded, err := demand(inAddress, h)
	if err != nil {
		return 0, "", err
	}
	accept := strings.Join(h.Values("Accept"), ",")
	if f, media, ok := prefer(demanded, accept); ok {
		return f, media, nil
	}
	// Addresses with a version were there before media types were looked at; what such a client accepts is
	// looked at only where it speaks of versions.
	if inAddress != "" && !strings.Contains(accept, "vnd.ordersaga.") {
		return demanded, plainJSON, nil
	}
	names := []string{plainJSON}
	for _, f := range forms() {
		if demanded == 0 || demanded == f {
			names = append(names, f.media())
		}
	}
	return 0, "", problem.New(http.StatusNotAcceptable, "here an order can be had as "+strings.Join(names,
		" or ")+" alone")
}

// demand is the form that the request leaves no choice about; 0: it does. Address, header and body must agree.
func demand(inAddress string, h http.Header) (form, error) {
	var demanded form
	for _, said := range []struct {
		by     string
		value  string
		status int // of a version that there is not
	}{
		{"the address", inAddress, http.StatusNotFound},
		{versionHeader, strings.Join(h.Values(versionHeader), ", "), http.StatusBadRequest},
		{"the body's media type", bodyVersion(h), http.StatusUnsupportedMediaType},
	} {
		if said.value == "" {
			continue
		}
		f, known := formOf(said.value)
		switch {
		case !known:
			return 0, problem.New(said.status, fmt.Sprintf("%s asks for version %.20q; there are 1 and 2", said.by, said.value))
		case demanded != 0 && demanded != f:
			return 0,
				problem.New(http.StatusBadRequest, fmt.Sprintf("%s asks for version %d, another part of the request for %d",
					said.by, f, demanded))
		}
		demanded = f
	}
	return demanded, nil
}

func formOf(text string) (form, bool) {
	for _, f := range forms() {
		if text == strconv.Itoa(int(f)) {
			return f, true
		}
	}
	return 0, false
}

// bodyVersion is the version in the media type of the body, if there is one in it.
func bodyVersion(h http.Header) string {
	version, ours := strings.CutPrefix(mediaType(h.Get("Content-Type")), "application/vnd.ordersaga.v")
	version, json := strings.CutSuffix(version, "+json")
	if !ours || !json {
		return ""
	}
	return version
}

func mediaType(header string) string {
	name, _, _ := mime.ParseMediaType(header) // what cannot be parsed is refused elsewhere
	return name
}

// prefer finds what the client likes best of what there is. A form's own media type must be asked for by name:
// wildcards stand for plain JSON.
func prefer(demanded form, accept string) (form, string, bool) {
	if strings.TrimSpace(accept) == "" {
		return max(demanded, 1), plainJSON, true
	}
	likes := likesOf(accept)
	best, chosen, media := 0.0, form(0), ""
	for _, f := range forms() {
		if q := likes[f.media()]; (demanded == 0 || demanded == f) && q > best {
			best, chosen, media = q, f, f.media()
		}
	}
	for _, name := range []string{plainJSON, "application/*", "*/*"} { // the most exact one counts
		q, named := likes[name]
		if named && q > best {
			best, chosen, media = q, max(demanded, 1), plainJSON
		}
		if named {
			break
		}
	}
	return chosen, media, best > 0
}

// likesOf reads an Accept header: media ranges and how much each is liked. What cannot be read is not liked.
func likesOf(accept string) map[string]float64 {
	likes := map[string]float64{}
	for element := range strings.SplitSeq(accept, ",") {
		name, parameters, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := parameters["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil || q < 0 || q > 1 {
				continue
			}
		}
		likes[name] = q
	}
	return likes
}
