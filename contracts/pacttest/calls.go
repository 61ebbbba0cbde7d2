package pacttest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"example.com/ordersaga/contracts/pact"
)

// Call is a request that a consumer makes, and the whole answer that it gets.
type Call struct {
	Description string
	State       string            // what is the case at the provider
	Params      map[string]string // values in the request that are the provider's to choose
	Status      int
	Answer      string
	Exactly     []string // paths in the answer at which the very value matters
}

// Calls is what a consumer sends and what it reads of the answers. They are given by method and path, such as
// "GET /v1/stock"; use makes the requests. What comes of the answers is what it returns and what it sends then.
func Calls(t testing.TB, calls map[string]Call, use func(url string) (string, error)) (found []pact.Interaction) {
	t.Helper()
	provider := &answering{calls: maps.Clone(calls), asked: map[string]pact.Request{}}
	server := httptest.NewServer(provider)
	defer server.Close()
	for _, route := range slices.Sorted(maps.Keys(calls)) {
		call := calls[route]
		content := Reads(t, []byte(call.Answer), func(answer []byte) (string, error) {
			provider.answer(route, string(answer))
			result, err := use(server.URL)
			return result + provider.bodies(), err
		})
		provider.answer(route, call.Answer)
		request, asked := provider.request(route)
		if !asked {
			t.Fatalf("the consumer never asks %s", route)
		}
		found = append(found, pact.Interaction{
			Type: pact.HTTP, Key: call.Description, Description: call.Description,
			ProviderStates: []pact.State{{Name: call.State, Params: call.Params}},
			Request:        new(request.With(call.Params)),
			Response: &pact.Response{
				Status: call.Status, MatchingRules: pact.Like(content, call.Exactly...),
				Body: &pact.Body{Content: encode(t, content), ContentType: "application/json"},
			},
		})
	}
	return found
}

// answering is a provider with given answers that remembers the requests.
type answering struct {
	mu    sync.Mutex
	calls map[string]Call
	asked map[string]pact.Request
}

func (a *answering) answer(route, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	call := a.calls[route]
	call.Answer = answer
	a.calls[route] = call
}

func (a *answering) request(route string) (pact.Request, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, asked := a.asked[route]
	return r, asked
}

// bodies are those of the last requests.
func (a *answering) bodies() (all string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, route := range slices.Sorted(maps.Keys(a.asked)) {
		if body := a.asked[route].Body; body != nil {
			all += "\n" + route + " " + string(body.Content)
		}
	}
	return all
}

// ServeHTTP answers.
func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	route := r.Method + " " + r.URL.Path
	call, known := a.calls[route]
	if !known {
		http.Error(w, "the pact has no "+route, http.StatusNotImplemented)
		return
	}
	a.asked[route] = remembered(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(call.Status)
	_, _ = io.WriteString(w, call.Answer) // a client that leaves early fails by itself
}

// aKey stands for the Idempotency-Keys, so that the files are the same; a generator makes a new one for each request.
const aKey = "8e03978e-40d5-43dd-bc93-6894a57f9324"

func remembered(r *http.Request) pact.Request {
	request := pact.Request{Method: r.Method, Path: r.URL.Path, Headers: map[string][]string{}}
	if query := r.URL.Query(); len(query) > 0 {
		request.Query = query
	}
	if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
		request.Body = &pact.Body{Content: body, ContentType: r.Header.Get("Content-Type")}
		request.Headers["Content-Type"] = r.Header["Content-Type"]
	}
	if r.Header.Get("Idempotency-Key") != "" {
		request.Headers["Idempotency-Key"] = []string{aKey}
	}
	return request
}
