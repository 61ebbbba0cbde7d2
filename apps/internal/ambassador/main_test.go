package ambassador

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/internal/localservers"
)

// TestMain lets the test binary be a gateway process too, for the tests that kill one.
func TestMain(m *testing.M) {
	if os.Getenv("BE_A_GATEWAY") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := gateway.Run(ctx, os.Getenv, slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// defaults are production's settings, quicker.
func defaults(gateways ...string) Config {
	return Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminToken: "secret", Gateways: gateways,
		TryTimeout: 10 * time.Second, MaxRetries: 2, RetryRatio: 0.2, RetryReserve: 100,
		HealthInterval: 20 * time.Millisecond, DNSInterval: 20 * time.Millisecond, BreakerDelay: 100 * time.Millisecond,
	}
}

// running is an ambassador in this process and a client of it.
type running struct {
	*Ambassador
	client *http.Client
}

func start(t *testing.T, c Config) *running {
	t.Helper()
	a, err := Open(t.Context(), c, discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ambassador ended with %v", err)
		}
	})
	return &running{a, client}
}

// answer is what came back.
type answer struct {
	status   int
	attempts string
	header   http.Header
	body     string
}

// send sends a request through the ambassador; the error is the connection's.
func (r *running) send(ctx context.Context, method, path, key, body string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.Addr+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get(AttemptsHeader), response.Header, string(text)}, err
}

func (r *running) must(t *testing.T, method, path, key, body string) answer {
	t.Helper()
	a, err := r.send(t.Context(), method, path, key, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *running) states(t *testing.T) map[string]state {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.AdminAddr+"/breaker", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer secret")
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct{ Endpoints []state }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	states := map[string]state{}
	for _, s := range body.Endpoints {
		states["http://"+s.Endpoint] = s
	}
	return states
}

// upstream is a gateway that does what the test says, and is always in good health.
func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			return
		}
		// A server notices that its client has left only once the request's body is read.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// child is a gateway in a process of its own.
type child struct {
	url string
	cmd *exec.Cmd
}

// spawn starts a gateway process over a ledger file.
func spawn(t *testing.T, ledgerFile string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_A_GATEWAY=1", "LEDGER_FILE="+ledgerFile)
	localservers.EndWithUs(cmd, syscall.SIGKILL)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var line struct{ Addr string }
	for line.Addr == "" && lines.Scan() {
		_ = json.Unmarshal(lines.Bytes(), &line)
	}
	var rest sync.WaitGroup
	rest.Go(func() { _, _ = io.Copy(io.Discard, stderr) })
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		rest.Wait()
		_ = cmd.Wait() // it was killed
	})
	return &child{"http://" + line.Addr, cmd}
}

func newLedger(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ledger")
}

func chargeBody(reference, token string) string {
	return fmt.Sprintf(`{"merchant_reference":%q,"amount":1000,"currency":"USD","payment_method":%q}`, reference, token)
}

// charges are how often each reference was charged, says the gateway.
func (r *running) charges(t *testing.T) map[string]int {
	t.Helper()
	var ledger struct {
		Entries []struct {
			MerchantReference string `json:"merchant_reference"`
		}
	}
	a := r.must(t, http.MethodGet, "/ledger", "", "")
	if err := json.Unmarshal([]byte(a.body), &ledger); err != nil {
		t.Fatal(err)
	}
	charges := map[string]int{}
	for _, entry := range ledger.Entries {
		charges[entry.MerchantReference]++
	}
	return charges
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}
