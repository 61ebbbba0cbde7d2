package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/contracts/schema"
	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/problem"
)

func (r *registry) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range map[string]func(*http.Request) (any, error){
		"GET /subjects":                                             r.listSubjects,
		"POST /subjects/{subject}":                                  r.lookUp,
		"GET /subjects/{subject}/versions":                          r.listVersions,
		"POST /subjects/{subject}/versions":                         r.registers,
		"GET /subjects/{subject}/versions/{version}":                r.readVersion,
		"GET /schemas/types":                                        r.listTypes,
		"GET /schemas/ids/{id}":                                     r.readID,
		"POST /compatibility/subjects/{subject}/versions/{version}": r.compare,
		"GET /config":                                               r.readMode,
		"PUT /config":                                               r.writeMode,
		"GET /config/{subject}":                                     r.readMode,
		"PUT /config/{subject}":                                     r.writeMode,
	} {
		mux.Handle(pattern, r.answers(pattern, handler))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, q *http.Request) {
		if err := r.bucket.ready(q.Context()); err != nil {
			problem.Write(w, q, problem.New(http.StatusServiceUnavailable, "the broker has no bucket for the schemas"))
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics, promhttp.HandlerOpts{}))
	mux.Handle("/", r.answers("other", func(*http.Request) (any, error) {
		return nil, refuse(http.StatusNotFound, api.NotFound, "HTTP 404 Not Found")
	}))
	// A page in a browser must not be able to change a mode here.
	return http.NewCrossOriginProtection().Handler(mux)
}

// answers makes a handler of a function that returns an answer or an [api.Error]. Any other error is ours.
func (r *registry) answers(asked string, handler func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		answer, err := handler(q)
		status, code := http.StatusOK, http.StatusOK
		if err != nil {
			refused := r.refusalOf(q, err)
			answer, status, code = refused, refused.Status, refused.Code
		}
		r.counts.WithLabelValues(asked, strconv.Itoa(code)).Inc()
		content, err := json.Marshal(answer)
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		w.Header().Set("Content-Type", api.MediaType)
		w.WriteHeader(status)
		w.Write(content)
	})
}

func (r *registry) refusalOf(q *http.Request, err error) *api.Error {
	if refused, is := errors.AsType[*api.Error](err); is {
		return refused
	}
	r.log.WarnContext(q.Context(), "request failed", "method", q.Method, "path", q.URL.Path, "error", err)
	return &api.Error{Status: http.StatusServiceUnavailable, Code: api.StorageUnavailable,
		Message: "Error in the backend data store: the broker does not answer or has no bucket yet; trying again is safe"}
}

func (r *registry) listSubjects(q *http.Request) (any, error) {
	return r.bucket.names(q.Context(), subjectKey)
}

func (r *registry) listTypes(*http.Request) (any, error) { return []string{api.JSON}, nil }

func (r *registry) listVersions(q *http.Request) (any, error) {
	s, err := r.find(q.Context(), q.PathValue("subject"))
	numbers := make([]int, len(s.IDs))
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers, err
}

func (r *registry) readVersion(q *http.Request) (any, error) {
	n, err := versionOf(q)
	if err != nil {
		return nil, err
	}
	return r.version(q.Context(), q.PathValue("subject"), n)
}

func (r *registry) readID(q *http.Request) (any, error) {
	id, err := strconv.Atoi(q.PathValue("id"))
	if err != nil || id < 1 {
		return nil, refuse(http.StatusNotFound, api.NoSchema, "A schema's id is a number.")
	}
	known, err := r.byID(q.Context(), id)
	return known.Schema, err
}

func (r *registry) registers(q *http.Request) (any, error) {
	name, err := subjectOf(q)
	if err != nil {
		return nil, err
	}
	given, err := schemaOf(q)
	if err != nil {
		return nil, err
	}
	id, err := r.register(q.Context(), name, given)
	return map[string]int{"id": id}, err
}

func (r *registry) lookUp(q *http.Request) (any, error) {
	given, err := schemaOf(q)
	if err != nil {
		return nil, err
	}
	s, err := r.find(q.Context(), q.PathValue("subject"))
	if err != nil {
		return nil, err
	}
	n, err := r.versionOf(q.Context(), s, given)
	if err == nil && n == 0 {
		err = refuse(http.StatusNotFound, api.NoSchema, "Schema not found")
	}
	if err != nil {
		return nil, err
	}
	return r.version(q.Context(), s.Name, n)
}

// compare is whether a schema may follow the one version that is named, or, for "latest", those that the mode names.
func (r *registry) compare(q *http.Request) (any, error) {
	n, err := versionOf(q)
	if err != nil {
		return nil, err
	}
	given, err := schemaOf(q)
	if err != nil {
		return nil, err
	}
	s, err := r.find(q.Context(), q.PathValue("subject"))
	if err != nil {
		return nil, err
	}
	ids := s.IDs
	if n > len(ids) {
		return nil, refuse(http.StatusNotFound, api.NoVersion, "Version %d not found.", n)
	}
	if n > 0 {
		ids = ids[n-1 : n]
	}
	verdict, err := r.judge(q.Context(), s.Name, ids, given)
	if err != nil {
		return nil, err
	}
	answer := api.Compatibility{Compatible: verdict.Answer == schema.Compatible}
	if verbose, _ := strconv.ParseBool(q.URL.Query().Get("verbose")); verbose {
		answer.Messages = messages(verdict)
	}
	return answer, nil
}

func (r *registry) readMode(q *http.Request) (any, error) {
	name := q.PathValue("subject")
	mode, own, err := r.mode(q.Context(), name)
	if err != nil {
		return nil, err
	}
	if orGlobal, _ := strconv.ParseBool(q.URL.Query().Get("defaultToGlobal")); name != "" && !own && !orGlobal {
		return nil, refuse(http.StatusNotFound, api.NoSubjectConfig,
			"Subject '%.100s' does not have subject-level compatibility configured", name)
	}
	return map[string]schema.Mode{"compatibilityLevel": mode}, nil
}

func (r *registry) writeMode(q *http.Request) (any, error) {
	var asked struct {
		Compatibility string `json:"compatibility"`
	}
	if err := read(q, &asked); err != nil {
		return nil, err
	}
	mode, err := schema.ParseMode(asked.Compatibility)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, api.InvalidMode, "Invalid compatibility level: %v", err)
	}
	return map[string]schema.Mode{"compatibility": mode}, r.setMode(q.Context(), q.PathValue("subject"), mode)
}
