package operate_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console/operate"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
)

// ask makes a request to the API of a system that does not run.
func ask(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	const nobody = "http://127.0.0.1:1"
	router := chi.NewRouter()
	operate.New(endpoints.Description{
		NATS:  "nats://console@127.0.0.1:1",
		URLs:  map[string]string{"order": nobody, "order-2": nobody, "ambassador": nobody},
		Admin: map[string]string{"payment": nobody},
	}).Routes(router)
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return answer
}

func TestOperate_NamesWhoCannotBeAskedAndShowsTheRest(t *testing.T) {
	t.Parallel()
	answer := ask(t, http.MethodGet, "/incidents", "")
	var list operate.List
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || answer.Code != http.StatusOK || list.Items == nil {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for _, service := range list.Unavailable {
		want := "does not know its admin address"
		if service.Service == "payment" {
			want = "does not answer"
		}
		if !strings.Contains(service.Problem, want) {
			t.Errorf("%s: %s", service.Service, service.Problem)
		}
	}
	if len(list.Unavailable) != len(events.Consumers) {
		t.Errorf("%d services are unavailable", len(list.Unavailable))
	}
	var lags operate.Lags
	answer = ask(t, http.MethodGet, "/lags", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &lags); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if len(lags.Processes) != 2 || lags.Processes[1].Process != "order-2" || lags.Processes[1].Problem == "" ||
		lags.Problem == "" {
		t.Errorf("%+v", lags)
	}
}

func TestOperate_ClaimsNothingAboutInvariantsWithoutTheLogins(t *testing.T) {
	t.Parallel()
	var found operate.Invariants
	answer := ask(t, http.MethodGet, "/invariants", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(found.Unable, "the order database") || found.Holds || found.Checking {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestOperate_ForwardsOnlyKnownActions(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		detail                   string
	}{
		{"an unknown service", http.MethodGet, "/incidents/mail/" + id, "", http.StatusNotFound, "no such service or id"},
		{"no id", http.MethodGet, "/incidents/payment/..%2F..%2Ffaults", "", http.StatusNotFound, ""},
		{"another action", http.MethodPost, "/incidents/payment/" + id + "/delete", "{}", http.StatusNotFound, "retry and resolve"},
		{"an action of the other kind", http.MethodPost, "/dead-letters/payment/" + id + "/retry", "{}", http.StatusNotFound, "redrive and discard"},
		{"a member twice", http.MethodPost, "/incidents/payment/" + id + "/retry", `{"why": "a", "why": "b"}`, http.StatusBadRequest, "not JSON"},
		{"no JSON", http.MethodPost, "/incidents/payment/" + id + "/retry", "no", http.StatusBadRequest, "not JSON"},
		{"a service that does not answer", http.MethodPost, "/incidents/payment/" + id + "/retry", "{}", http.StatusServiceUnavailable, "whether anything was done is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := ask(t, test.method, test.path, test.body)
			if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.detail) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
}
