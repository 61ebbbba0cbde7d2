package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/contracts/schema"
	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/problem"
)

func (r *registry) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for pattern, handler := range map[string]func(*http.Request) (any, error){
		"GET /{$}":                                                  r.root,
		"GET /subjects":                                             r.listSubjects,
		"POST /subjects/{subject}":                                  r.lookUp,
		"DELETE /subjects/{subject}":                                r.deleteSubject,
		"GET /subjects/{subject}/versions":                          r.listVersions,
		"POST /subjects/{subject}/versions":                         r.registers,
		"GET /subjects/{subject}/versions/{version}":                r.readVersion,
		"DELETE /subjects/{subject}/versions/{version}":             r.deleteVersion,
		"GET /subjects/{subject}/versions/{version}/schema":         r.readText,
		"GET /subjects/{subject}/versions/{version}/referencedby":   r.referencedBy,
		"GET /schemas":                                              r.listSchemas,
		"GET /schemas/types":                                        r.listTypes,
		"GET /schemas/ids/{id}":                                     r.readID,
		"GET /schemas/ids/{id}/schema":                              r.readIDText,
		"GET /schemas/ids/{id}/subjects":                            r.subjectsOfID,
		"GET /schemas/ids/{id}/versions":                            r.versionsOfID,
		"POST /compatibility/subjects/{subject}/versions":           r.compare,
		"POST /compatibility/subjects/{subject}/versions/{version}": r.compare,
		"GET /config":                                               r.readMode,
		"PUT /config":                                               r.writeMode,
		"DELETE /config":                                            r.deleteMode,
		"GET /config/{subject}":                                     r.readMode,
		"PUT /config/{subject}":                                     r.writeMode,
		"DELETE /config/{subject}":                                  r.deleteMode,
		"GET /mode":                                                 r.readWriteMode,
		"PUT /mode":                                                 r.setReadWriteMode,
		"GET /mode/{subject}":                                       r.readWriteMode,
		"PUT /mode/{subject}":                                       r.setReadWriteMode,
		"GET /contexts":                                             r.listContexts,
	} {
		mux.Handle(pattern, r.answers(pattern, handler))
		method, path, _ := strings.Cut(pattern, " ")
		methods[path] = append(methods[path], method)
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		mux.Handle(path, r.answers("other", func(*http.Request) (any, error) {
			return nil, &notAllowed{strings.Join(allowed, ", ")}
		}))
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
		if refused, is := errors.AsType[*notAllowed](err); is {
			w.Header().Set("Allow", refused.methods)
		}
		r.counts.WithLabelValues(asked, strconv.Itoa(code)).Inc()
		content, err := json.Marshal(answer)
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		if text, is := answer.(verbatim); is {
			content = []byte(text)
		}
		w.Header().Set("Content-Type", api.MediaType)
		w.WriteHeader(status)
		w.Write(content)
	})
}

// verbatim is an answer that is a schema's text as it was given.
type verbatim string

// notAllowed is that an address does not take the method.
type notAllowed struct{ methods string }

func (e *notAllowed) Error() string { return "HTTP 405 Method Not Allowed" }

func (r *registry) refusalOf(q *http.Request, err error) *api.Error {
	if refused, is := errors.AsType[*notAllowed](err); is {
		return &api.Error{Status: http.StatusMethodNotAllowed, Code: http.StatusMethodNotAllowed, Message: refused.Error()}
	}
	if refused, is := errors.AsType[*api.Error](err); is {
		return refused
	}
	r.log.WarnContext(q.Context(), "request failed", "method", q.Method, "path", q.URL.Path, "error", err)
	return &api.Error{Status: http.StatusServiceUnavailable, Code: api.StorageUnavailable,
		Message: "Error in the backend data store: the broker does not answer or has no bucket yet; trying again is safe"}
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
	s, err := r.find(q.Context(), q.PathValue("subject"), sightOf(q))
	if err != nil {
		return nil, err
	}
	n, err := r.versionOf(q.Context(), s, sightOf(q), given)
	if err == nil && n == 0 {
		err = refuse(http.StatusNotFound, api.NoSchema, "Schema not found")
	}
	if err != nil {
		return nil, err
	}
	return r.read(q.Context(), s, n)
}

// compare is whether a schema may follow the one version that is named, or, for "latest" and none, those that the mode
// names. Any schema may be the first of a subject.
func (r *registry) compare(q *http.Request) (any, error) {
	n := 0
	if q.PathValue("version") != "" {
		var err error
		if n, err = versionOf(q); err != nil {
			return nil, err
		}
	}
	given, err := schemaOf(q)
	if err != nil {
		return nil, err
	}
	s, _, err := r.stored(q.Context(), q.PathValue("subject"))
	if err != nil {
		return nil, err
	}
	versions := s.versions(live)
	if n > 0 {
		if !slices.Contains(versions, n) {
			return nil, refuse(http.StatusNotFound, api.NoVersion, "Version %d not found.", n)
		}
		versions = []int{n}
	}
	verdict, err := r.judge(q.Context(), s, versions, given)
	if err != nil {
		return nil, err
	}
	answer := api.Compatibility{Compatible: verdict.Answer == schema.Compatible}
	if isSet(q, "verbose") {
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
	if name != "" && !own && !isSet(q, "defaultToGlobal") {
		return nil, refuse(http.StatusNotFound, api.NoSubjectConfig,
			"Subject '%.100s' does not have subject-level compatibility configured", name)
	}
	return map[string]schema.Mode{"compatibilityLevel": mode}, nil
}

// writeMode changes the mode. A setting that there is not here is refused: who believed in it would be wrong.
func (r *registry) writeMode(q *http.Request) (any, error) {
	settings := map[string]any{}
	if err := read(q, &settings); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if value := settings[name]; name != "compatibility" && value != nil && value != false && value != "" {
			return nil, refuse(http.StatusUnprocessableEntity, api.NotPermitted,
				"Only compatibility can be set here, not %.100q", name)
		}
	}
	wanted, given := settings["compatibility"]
	if !given {
		mode, _, err := r.mode(q.Context(), q.PathValue("subject"))
		return map[string]schema.Mode{"compatibility": mode}, err
	}
	mode, err := schema.ParseMode(fmt.Sprint(wanted))
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, api.InvalidMode, "Invalid compatibility level: %v", err)
	}
	return map[string]schema.Mode{"compatibility": mode}, r.setMode(q.Context(), q.PathValue("subject"), mode)
}

// deleteMode gives a subject the mode of all again, or all of them the default one.
func (r *registry) deleteMode(q *http.Request) (any, error) {
	before, err := r.resetMode(q.Context(), q.PathValue("subject"))
	return map[string]schema.Mode{"compatibility": before, "compatibilityLevel": before}, err
}

// readWrite is the only mode of this registry; others can also be read-only, or take ids from outside.
const readWrite = "READWRITE"

func (r *registry) readWriteMode(q *http.Request) (any, error) {
	if name := q.PathValue("subject"); name != "" && !isSet(q, "defaultToGlobal") {
		return nil, refuse(http.StatusNotFound, api.NoSubjectMode,
			"Subject '%.100s' does not have subject-level mode configured", name)
	}
	return map[string]string{"mode": readWrite}, nil
}

func (r *registry) setReadWriteMode(q *http.Request) (any, error) {
	var wanted struct {
		Mode string `json:"mode"`
	}
	if err := read(q, &wanted); err != nil {
		return nil, err
	}
	if wanted.Mode != readWrite {
		return nil, refuse(http.StatusUnprocessableEntity, api.NotPermitted, "The only mode here is READWRITE")
	}
	return map[string]string{"mode": readWrite}, nil
}
