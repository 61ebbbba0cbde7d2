package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// web is what the browser gets: pages, modules and styles as they were written, without a build.
//
//go:embed web
var web embed.FS

// pages are the addresses of the pages. All of them are the same frame, which web/assets/frame.js fills.
var pages = []string{"/", "/order", "/place", "/break", "/operate", "/simulator", "/versioning"}

// asset is one file with what makes it recognisable: a browser asks whether it has changed and is told in a
// few bytes, so that a console that was built anew is never shown by an old page.
type asset struct {
	name    string
	content []byte
	etag    string
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.content))
}

// servePages serves every embedded file, and the frame at the address of each page.
func servePages(router chi.Router) error {
	err := fs.WalkDir(web, "web/assets", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		a, err := readAsset(file)
		router.Method(http.MethodGet, strings.TrimPrefix(file, "web"), a)
		return err
	})
	if err != nil {
		return err
	}
	frame, err := readAsset("web/index.html")
	if err != nil {
		return err
	}
	for _, page := range pages {
		router.Method(http.MethodGet, page, frame)
	}
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			nothingHere(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		w.Write(frame.content) // the frame says in words that there is no such page
	})
	return nil
}

func readAsset(file string) (asset, error) {
	content, err := web.ReadFile(file)
	if err != nil {
		return asset{}, fmt.Errorf("read %s: %w", file, err)
	}
	sum := sha256.Sum256(content)
	return asset{path.Base(file), content, `"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}
