package httpserver

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAuthorized_TheAdminListenerAsksForItsToken(t *testing.T) {
	t.Parallel()
	h := Authorized("secret", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for header, want := range map[string]int{"": 401, "Bearer wrong": 401, "secret": 401, "Bearer secret": 200} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("with %q: %d, want %d", header, w.Code, want)
		}
	}
}

// TestNew_HEADIsAnsweredAsGETWithoutABody: by a handler that knows GET alone, and by a stream, which ends with its header.
func TestNew_HEADIsAnsweredAsGETWithoutABody(t *testing.T) {
	t.Parallel()
	mux, ended := http.NewServeMux(), make(chan error, 1)
	mux.HandleFunc("/thing", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		fmt.Fprint(w, "a thing")
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			ended <- err
			return
		}
		<-r.Context().Done()
		ended <- nil
	})
	server, err := Listen(t.Context(), "127.0.0.1:0", mux)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	defer Close(server)
	for path, length := range map[string]int64{"/thing": 7, "/stream": -1} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+server.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || len(body) != 0 || response.ContentLength != length {
			t.Errorf("%s: %d, %d bytes, Content-Length %d, %v", path, response.StatusCode, len(body), response.ContentLength, err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
