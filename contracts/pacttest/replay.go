package pacttest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
)

// of are a provider's interactions of one type, with the consumers that they are with.
func of(t *testing.T, provider, typ string, visit func(t *testing.T, i pact.Interaction)) {
	t.Helper()
	all, err := pact.All()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, p := range all {
		for _, i := range p.Interactions {
			if p.Provider.Name == provider && i.Type == typ {
				found++
				t.Run(p.Consumer.Name+": "+i.Description, func(t *testing.T) { visit(t, i) })
			}
		}
	}
	if found == 0 {
		t.Errorf("nobody has a pact with %s about %s", provider, typ)
	}
}

// Publishes wants what the consumers of a provider's events read to be in the messages that the provider has really
// put into its outbox. The incidents, which any service may open, are put here.
func Publishes(t *testing.T, provider events.Service, pool *pgxpool.Pool) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		order := uuid.NewString()
		if _, err := incident.Open(t.Context(), tx, provider, order, "stuck", "nobody knows why"); err != nil {
			return err
		}
		return incident.Close(t.Context(), tx, provider, order, "stuck", "went away")
	})
	if err != nil {
		t.Fatal(err)
	}
	of(t, string(provider), pact.Message, func(t *testing.T, i pact.Interaction) {
		t.Helper()
		rows, err := pool.Query(t.Context(), `SELECT subject, payload FROM outbox WHERE type = $1`, i.Key)
		if err != nil {
			t.Fatal(err)
		}
		type published struct {
			Subject string
			Payload []byte
		}
		messages, err := pgx.CollectRows(rows, pgx.RowToStructByPos[published])
		if err != nil || len(messages) == 0 {
			t.Fatalf("%s never publishes %s: %v", provider, i.Key, err)
		}
		expected := regexp.MustCompile(i.MatchingRules["metadata"]["subject"].Matchers[0].Regex)
		for _, message := range messages {
			if !expected.MatchString(message.Subject) {
				t.Errorf("%s is published on %s", i.Key, message.Subject)
			}
			for _, wrong := range i.Contents.Match(i.MatchingRules, message.Payload) {
				t.Errorf("%s in %s", wrong, message.Payload)
			}
		}
	})
}

// State makes true what a pact presupposes, for the example values that it gives, and returns the provider's own.
type State func(t *testing.T, examples map[string]string) map[string]string

// Answers holds a provider to what the consumers of its API send and read.
func Answers(t *testing.T, provider string, api http.Handler, states map[string]State) {
	t.Helper()
	of(t, provider, pact.HTTP, func(t *testing.T, i pact.Interaction) {
		t.Helper()
		values := map[string]string{}
		for _, state := range i.ProviderStates {
			make, known := states[state.Name]
			if !known {
				t.Fatalf("%s cannot make it so that %s", provider, state.Name)
			}
			maps.Copy(values, state.Params)
			maps.Copy(values, make(t, state.Params))
		}
		path, body, err := i.Request.Filled(values)
		if err != nil {
			t.Fatal(err)
		}
		target := url.URL{Path: path, RawQuery: url.Values(i.Request.Query).Encode()}
		request := httptest.NewRequestWithContext(t.Context(), i.Request.Method, target.String(), bytes.NewReader(body))
		maps.Copy(request.Header, i.Request.Headers)
		if g := i.Request.Generators; g != nil {
			for name := range g.Header {
				request.Header.Set(name, uuid.NewString()) // the state may have been made before
			}
		}
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, request)
		answer, err := io.ReadAll(recorder.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		if recorder.Code != i.Response.Status {
			t.Fatalf("%s %s was answered %d %s, not %d", i.Request.Method, path, recorder.Code, answer, i.Response.Status)
		}
		for _, wrong := range i.Response.Body.Match(i.Response.MatchingRules, answer) {
			t.Errorf("%s in %s", wrong, answer)
		}
	})
}
