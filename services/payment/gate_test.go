package payment

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/services/payment/charge"
)

// gate is a real card gateway in a process of its own, and the wire that leads to it.
type gate struct {
	url   string
	admin string
	wire  *wire
}

const gateToken = "gate-test"

// gatewayProgram is the gateway's program, built once for all tests.
var gatewayProgram = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "gateway")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	program := filepath.Join(folder, "gateway")
	build := exec.Command("go", "build", "-o", program, "./cmd/gateway")
	build.Dir = filepath.Join("..", "..", "apps")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the gateway: %w\n%s", err, output)
	}
	return os.ReadFile(program)
})

// newGate starts a gateway with an empty ledger. It ends with the test.
func newGate(t *testing.T) *gate {
	t.Helper()
	program, err := gatewayProgram()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gateway")
	// Nothing may fork while the file is open for writing: the child would hold it open until it execs, and Linux
	// runs no program that somebody writes.
	syscall.ForkLock.RLock()
	err = os.WriteFile(path, program, 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	command.Env = append(os.Environ(), "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "ADMIN_TOKEN="+gateToken,
		"LEDGER_FILE="+filepath.Join(t.TempDir(), "ledger"), "SETTLE_DELAY=500ms", "SLOW_DELAY=300ms")
	localservers.EndWithUs(command, syscall.SIGKILL)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	g := &gate{}
	g.url, g.admin = addresses(t, log)
	g.wire = newWire(t, g.url)
	return g
}

// addresses reads from its log where a gateway listens, and goes on reading so that it never blocks.
func addresses(t *testing.T, log io.Reader) (public, admin string) {
	t.Helper()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct {
			Message string `json:"msg"`
			Addr    string `json:"addr"`
			Admin   string `json:"admin_addr"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "serving" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return "http://" + line.Addr, "http://" + line.Admin
		}
	}
	t.Fatal("the gateway ended before it was serving")
	return "", ""
}

// ledger is everything that the gateway did.
func (g *gate) ledger(t *testing.T) []charge.LedgerEntry {
	t.Helper()
	var page struct{ Entries []charge.LedgerEntry }
	g.ask(t, http.MethodGet, g.url+"/ledger", nil, nil, http.StatusOK, &page)
	return page.Entries
}

// moved is how often money moved for a reference.
func (g *gate) moved(t *testing.T, reference string) (charges, refunds int) {
	t.Helper()
	for _, e := range g.ledger(t) {
		if e.Reference == reference {
			if e.Kind == "charge" {
				charges++
			} else {
				refunds++
			}
		}
	}
	return charges, refunds
}

// charge charges at the gateway, past payment.
func (g *gate) charge(t *testing.T, key, reference string, amount int64) (id string) {
	t.Helper()
	var made charge.GatewayResponse
	g.ask(t, http.MethodPost, g.url+"/v1/charges", http.Header{"Idempotency-Key": {key}}, map[string]any{
		"merchant_reference": reference, "amount": amount, "currency": "USD", "payment_method": "tok_visa",
	}, http.StatusCreated, &made)
	return made.ID
}

// faults switches the gateway's faults.
func (g *gate) faults(t *testing.T, f map[string]any) {
	t.Helper()
	g.ask(t, http.MethodPut, g.admin+"/faults", http.Header{"Authorization": {"Bearer " + gateToken}}, f, http.StatusOK, nil)
}

func (g *gate) ask(t *testing.T, method, url string, header http.Header, body any, want int, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(mustJSON(t, body)))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("%s %s: %d %s", method, url, response.StatusCode, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatal(err)
		}
	}
}

// wire is the way to the gateway. Tests cut it: a rule sees every request first, and may keep it from arriving or its
// answer from coming back.
type wire struct {
	*httptest.Server
	rule   atomic.Pointer[rule]
	passed atomic.Int64 // requests that moved or may have moved money: POSTs that were let through
	seen   atomic.Int64 // POSTs that were sent
}

// rule does something with a request; pass sends it on to the gateway and the answer back.
type rule func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc)

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ModifyResponse = func(r *http.Response) error { // the wire is an ambassador that sends everything once
		r.Header.Set("Ambassador-Attempts", "1")
		return nil
	}
	w := &wire{}
	pass := func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.passed.Add(1)
		}
		proxy.ServeHTTP(out, r)
	}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.seen.Add(1)
		}
		if rule := w.rule.Load(); rule != nil {
			(*rule)(out, r, pass)
			return
		}
		pass(out, r)
	}))
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.Start()
	t.Cleanup(w.Close)
	return w
}

func (w *wire) set(r rule) { w.rule.Store(&r) }
func (w *wire) heal()      { w.rule.Store(nil) }

// swallow lets no POST arrive.
func swallow(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
	if r.Method == http.MethodPost {
		panic(http.ErrAbortHandler)
	}
	pass(w, r)
}

// loseAnswers lets every POST arrive, and no answer to one come back.
func loseAnswers(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
	if r.Method == http.MethodPost {
		pass(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	pass(w, r)
}

// loseAllButTheLedger lets everything arrive, and no answer come back but the ledger's.
func loseAllButTheLedger(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
	if r.URL.Path == "/ledger" {
		pass(w, r)
		return
	}
	pass(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func readAll(t *testing.T, r io.Reader) []byte {
	t.Helper()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return body
}

func readCloser(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

// ledgerPage is what a gateway with so many lines answers to a query.
func ledgerPage(t *testing.T, query url.Values, lines int) []byte {
	t.Helper()
	after, err := strconv.Atoi(query.Get("after"))
	if err != nil {
		t.Error(err)
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		t.Error(err)
	}
	next := min(lines, after+limit)
	entries := []charge.LedgerEntry{}
	for i := after; i < next; i++ {
		entries = append(entries, charge.LedgerEntry{ID: fmt.Sprintf("ch_%d", i), Kind: "charge", Reference: "x", Amount: 1, Currency: "USD"})
	}
	return mustJSON(t, map[string]any{"entries": entries, "next": next})
}
