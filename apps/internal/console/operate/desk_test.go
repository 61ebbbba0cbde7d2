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
)

// asked is what the desk of a system answers of which nothing is there.
func asked(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	const nobody = "http://127.0.0.1:1"
	router := chi.NewRouter()
	operate.New(endpoints.Description{
		NATS: "nats://console@127.0.0.1:1", URLs: map[string]string{"order": nobody, "order-2": nobody, "ambassador": nobody},
		Admin: map[string]string{"payment": nobody},
	}).Routes(router)
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return answer
}

func TestWhatCannotBeAskedIsNamedAndTheRestIsShown(t *testing.T) {
	t.Parallel()
	answer := asked(t, http.MethodGet, "/incidents", "")
	var list struct {
		Things []operate.Thing
		Silent []operate.Silent
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || answer.Code != http.StatusOK || list.Things == nil {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for _, silent := range list.Silent {
		want := "was not told where"
		if silent.Service == "payment" {
			want = "does not answer"
		}
		if !strings.Contains(silent.Problem, want) {
			t.Errorf("%s: %s", silent.Service, silent.Problem)
		}
	}
	if len(list.Silent) != 4 {
		t.Errorf("%d services are silent", len(list.Silent))
	}
	var lags operate.Lags
	answer = asked(t, http.MethodGet, "/lags", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &lags); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if len(lags.Processes) != 2 || lags.Processes[1].Process != "order-2" || lags.Processes[1].Problem == "" || lags.Problem == "" {
		t.Errorf("%+v", lags)
	}
}

func TestTheBooksAreNotCheckedWithoutTheLogins(t *testing.T) {
	t.Parallel()
	var books operate.Books
	answer := asked(t, http.MethodGet, "/books", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &books); err != nil || books.Able || !strings.Contains(books.Why, "the order database") || books.Holds {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestOnlyWhatAThingKnowsIsHandedOn(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"a service that there is not", http.MethodGet, "/incidents/mail/" + id, "", http.StatusNotFound, "nothing of this name"},
		{"no id", http.MethodGet, "/incidents/payment/..%2F..%2Ffaults", "", http.StatusNotFound, ""},
		{"another action", http.MethodPost, "/incidents/payment/" + id + "/delete", "{}", http.StatusNotFound, "retry or resolve"},
		{"an action of other things", http.MethodPost, "/dead-letters/payment/" + id + "/retry", "{}", http.StatusNotFound, "redrive or discard"},
		{"no JSON", http.MethodPost, "/incidents/payment/" + id + "/retry", "no", http.StatusBadRequest, "not JSON"},
		{"a service that does not answer", http.MethodPost, "/incidents/payment/" + id + "/retry", "{}", http.StatusServiceUnavailable, "nothing is known to have been done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := asked(t, test.method, test.path, test.body)
			if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.says) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
}
