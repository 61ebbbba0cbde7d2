package httpserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMeasured_TheRouteIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	api := Measured(metrics, ValidateRequests(spec)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})))
	for _, request := range []string{
		"GET /v1/things/1", "GET /v1/things/2", "GET /v1/things/toolong", "DELETE /v1/things/1", "GET /v1/nothing", "BREW /v1/things",
	} {
		method, path, _ := strings.Cut(request, " ")
		api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, nil))
	}
	found, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, m := range found[0].GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetValue())
		}
		got[strings.Join(labels, " ")] = m.GetHistogram().GetSampleCount()
	}
	for labels, count := range map[string]uint64{
		"200 get /v1/things/{id}": 2, "400 get /v1/things/{id}": 1, "405 delete /v1/things/{id}": 1, "404 get other": 1,
		"405 unknown /v1/things": 1,
	} {
		if got[labels] != count {
			t.Errorf("%q was counted %d times, not %d", labels, got[labels], count)
		}
	}
	if problems, err := testutil.GatherAndLint(metrics); err != nil || len(problems) > 0 || len(got) != 5 {
		t.Errorf("%v, %v, and of %v more than was asked", problems, err, got)
	}
}

func BenchmarkMeasured(b *testing.B) {
	api := Measured(prometheus.NewRegistry(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	}))
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/things/1", nil)
	b.ReportAllocs()
	for b.Loop() {
		api.ServeHTTP(nobody{}, request)
	}
}

// nobody reads an answer.
type nobody struct{}

func (nobody) Header() http.Header         { return nil }
func (nobody) Write(p []byte) (int, error) { return len(p), nil }
func (nobody) WriteHeader(int)             {}
