package apiversion

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"example.com/ordersaga/pkg/problem"
)

// negotiate is the version of a request and the media type of its answer.
func negotiate(inPath string, h http.Header) (Version, string, error) {
	required, err := requiredVersion(inPath, h)
	if err != nil {
		return 0, "", err
	}
	accept := strings.Join(h.Values("Accept"), ",")
	if v, media, ok := preferred(required, accept); ok {
		return v, media, nil
	}
	// Addresses with a version are older than the choice by media type: there Accept counts only where it names a
	// version of ours.
	if inPath != "" && !strings.Contains(accept, "vnd.ordersaga.") {
		return required, PlainJSON, nil
	}
	types := []string{PlainJSON}
	for _, v := range all {
		if required == 0 || required == v {
			types = append(types, v.MediaType())
		}
	}
	detail := "here an order can be had as " + strings.Join(types, " or ") + " alone"
	return 0, "", problem.New(http.StatusNotAcceptable, detail)
}

// requiredVersion is the one that address, header and body name; they must agree. 0: none of them names one.
func requiredVersion(inPath string, h http.Header) (required Version, err error) {
	for _, part := range []struct {
		name    string
		version string
		unknown int // the status where there is no such version
	}{
		{"the address", inPath, http.StatusNotFound},
		{Header, strings.Join(h.Values(Header), ", "), http.StatusBadRequest},
		{"the body's media type", versionIn(h.Get("Content-Type")), http.StatusUnsupportedMediaType},
	} {
		if part.version == "" {
			continue
		}
		v, known := parse(part.version)
		switch {
		case !known:
			detail := fmt.Sprintf("%s asks for version %.20q; there are 1 and 2", part.name, part.version)
			return 0, problem.New(part.unknown, detail)
		case required != 0 && required != v:
			detail := fmt.Sprintf("%s asks for version %d, another part of the request for %d", part.name, v, required)
			return 0, problem.New(http.StatusBadRequest, detail)
		}
		required = v
	}
	return required, nil
}

func parse(text string) (Version, bool) {
	for _, v := range all {
		if text == v.String() {
			return v, true
		}
	}
	return 0, false
}

// versionIn is the version in a media type of ours, such as "2"; empty where there is none.
func versionIn(contentType string) string {
	version, ours := strings.CutPrefix(mediaType(contentType), "application/vnd.ordersaga.v")
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

// preferred is what an Accept header weighs highest. A version's own media type must be named: wildcards stand for
// plain JSON.
func preferred(required Version, accept string) (Version, string, bool) {
	if strings.TrimSpace(accept) == "" {
		return max(required, V1), PlainJSON, true
	}
	weights := parseAccept(accept)
	best, version, media := 0.0, Version(0), ""
	for _, v := range all {
		if q := weights[v.MediaType()]; (required == 0 || required == v) && q > best {
			best, version, media = q, v, v.MediaType()
		}
	}
	for _, name := range []string{PlainJSON, "application/*", "*/*"} { // the most exact one counts
		q, named := weights[name]
		if named && q > best {
			best, version, media = q, max(required, V1), PlainJSON
		}
		if named {
			break
		}
	}
	return version, media, best > 0
}

// parseAccept reads an Accept header: media ranges and their weights. A range that cannot be parsed counts nothing.
func parseAccept(accept string) map[string]float64 {
	weights := map[string]float64{}
	for _, element := range elements(accept) {
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
		weights[name] = q
	}
	return weights
}

// elements are those of a list in a header (RFC 9110, 5.6.1): a comma inside a quoted string separates nothing, and a
// backslash there stands before a character that is meant as such.
func elements(list string) (all []string) {
	begin, quoted := 0, false
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == '\\' && quoted:
			i++
		case list[i] == ',' && !quoted:
			all = append(all, list[begin:i])
			begin = i + 1
		}
	}
	return append(all, list[begin:])
}
