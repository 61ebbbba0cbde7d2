package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/internal/localservers"
)

// TestMain lets the test binary be a gateway process too, for the tests that kill one.
func TestMain(m *testing.M) {
	if os.Getenv("BE_A_GATEWAY") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := Run(ctx, os.Getenv, slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// discard is a log for tests that do not read it.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

var testTimes = Times{InFlightHorizon: 30 * time.Second, SettleDelay: 300 * time.Millisecond, SlowDelay: 200 * time.Millisecond}

// running is a gateway in this process.
type running struct {
	*Gateway
	ledgerFile string
	client     *client
	stop       func()
}

// start runs a gateway until the test ends or stop is called. An empty ledgerFile is a new one.
func start(t testing.TB, ledgerFile string, times Times) *running {
	t.Helper()
	if ledgerFile == "" {
		ledgerFile = filepath.Join(t.TempDir(), "ledger")
	}
	g, err := Open(t.Context(), Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminToken: "secret", LedgerFile: ledgerFile, Times: times,
	}, discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("gateway ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return &running{Gateway: g, ledgerFile: ledgerFile, client: newClient(t, "http://"+g.Addr), stop: stop}
}

// client is a merchant. It checks every answer against the contract, unless it is meant to be broken.
type client struct {
	url    string
	http   *http.Client
	router routers.Router
}

func newClient(t testing.TB, url string) *client {
	t.Helper()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{url: url, http: &http.Client{Transport: transport, Timeout: time.Minute}, router: router}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) replayed() bool { return a.header.Get("Idempotency-Replayed") == "true" }

// decode reads the answer's body.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	return v
}

// send sends a request; the error is the connection's.
func (c *client) send(ctx context.Context, method, path, key, body string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	// Or Go's transport would quietly send it again on a dropped connection, because it has a key.
	request.GetBody = nil
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Header, string(text)}, nil
}

// must sends a request that has to be answered, and answered as the contract says.
func (c *client) must(t testing.TB, method, path, key, body string) answer {
	t.Helper()
	a, err := c.send(t.Context(), method, path, key, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.conforms(t.Context(), method, path, a); err != nil {
		t.Errorf("%s %s: the answer breaks the contract: %v\n%s", method, path, err, a.body)
	}
	return a
}

func (c *client) conforms(ctx context.Context, method, path string, a answer) error {
	request, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		return err
	}
	route, params, err := c.router.FindRoute(request)
	if err != nil {
		return nil //nolint:nilerr // what is not in the contract cannot break it
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(strings.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

func chargeBody(reference string, amount int64, token string) string {
	return fmt.Sprintf(`{"merchant_reference":%q,"amount":%d,"currency":"USD","payment_method":%q}`, reference, amount, token)
}

func refundBody(chargeID string, amount int64) string {
	return fmt.Sprintf(`{"charge_id":%q,"amount":%d,"currency":"USD"}`, chargeID, amount)
}

// charge charges 1000 with a token under "charge:<reference>".
func (c *client) charge(t testing.TB, reference, token string) answer {
	t.Helper()
	return c.must(t, http.MethodPost, "/v1/charges", "charge:"+reference, chargeBody(reference, 1000, token))
}

// found is what a look-up by reference shows.
func (c *client) found(t testing.TB, reference string) []api.Charge {
	t.Helper()
	return decode[api.ChargeList](t, c.must(t, http.MethodGet, "/v1/charges?merchant_reference="+reference, "", "")).Charges
}

func (c *client) entries(t testing.TB) []api.Entry {
	t.Helper()
	return decode[api.Ledger](t, c.must(t, http.MethodGet, "/ledger", "", "")).Entries
}

// admin sends a request to the admin listener.
func (r *running) admin(t testing.TB, method, path, token, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.AdminAddr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := r.client.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// child is a gateway in a process of its own.
type child struct {
	cmd    *exec.Cmd
	client *client
}

// spawn starts a gateway process over a ledger file.
func spawn(t testing.TB, ledgerFile string, env map[string]string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_A_GATEWAY=1", "LEDGER_FILE="+ledgerFile)
	for _, key := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, key+"="+env[key])
	}
	localservers.EndWithUs(cmd, syscall.SIGKILL)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var addr string
	for addr == "" && lines.Scan() {
		var line struct{ Msg, Addr string }
		_ = json.Unmarshal(lines.Bytes(), &line)
		addr = line.Addr
	}
	var rest sync.WaitGroup
	rest.Go(func() { _, _ = io.Copy(io.Discard, stderr) })
	c := &child{cmd: cmd, client: newClient(t, "http://"+addr)}
	t.Cleanup(func() {
		c.kill()
		rest.Wait()
		_ = cmd.Wait() // it was killed
	})
	return c
}

// kill is SIGKILL, which nothing can prepare for.
func (c *child) kill() {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(err)
	}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
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
