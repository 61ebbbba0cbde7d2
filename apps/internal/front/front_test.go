package front

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFront_AnswersAboutHealthAndRefusesAListThatIsNone(t *testing.T) {
	t.Parallel()
	env := map[string]string{"FORWARD": "order-api:8080"}
	err := Run(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "FORWARD") {
		t.Errorf("got %v", err)
	}
}

func TestFront_ForwardsToWhoAnswersAndClosesWhenNobodyDoes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	up, dead := forwarder(t, strings.TrimPrefix(server.URL, "http://")), forwarder(t, free(t))
	response, err := post(t, up, "hello")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	if response, err := post(t, dead, "hello"); err == nil {
		response.Body.Close()
		t.Errorf("nobody listens, and the answer is %s", response.Status)
	}
}

func post(t *testing.T, address, body string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return http.DefaultClient.Do(request)
}

// forwarder is the address of a front before target, once it accepts connections.
func forwarder(t *testing.T, target string) string {
	t.Helper()
	listen := free(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Forward(ctx, listen, target, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for until := time.Now().Add(10 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", listen, time.Second)
		if err == nil {
			conn.Close()
			return listen
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// free is an address on which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
