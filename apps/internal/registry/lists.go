package registry

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "example.com/ordersaga/internal/schemaregistry"
)

func (r *registry) root(*http.Request) (any, error)         { return struct{}{}, nil }
func (r *registry) listTypes(*http.Request) (any, error)    { return []string{api.JSON}, nil }
func (r *registry) listContexts(*http.Request) (any, error) { return []string{"."}, nil }

// subjects are those that begin with the prefix that is asked for and have a version that is to be seen.
func (r *registry) subjects(q *http.Request) (all []subject, err error) {
	prefix := strings.TrimPrefix(q.URL.Query().Get("subjectPrefix"), ":*:") // of any context; there is one
	names, err := r.bucket.names(q.Context(), subjectKey)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		s, _, err := r.stored(q.Context(), name)
		if err != nil {
			return nil, err
		}
		if len(s.versions(sightOf(q))) > 0 {
			all = append(all, s)
		}
	}
	return all, nil
}

func (r *registry) listSubjects(q *http.Request) (any, error) {
	all, err := r.subjects(q)
	names := []string{}
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names, err
}

func (r *registry) listSchemas(q *http.Request) (any, error) {
	all, err := r.subjects(q)
	if err != nil {
		return nil, err
	}
	schemas := []api.Version{}
	for _, s := range all {
		versions := s.versions(sightOf(q))
		if isSet(q, "latestOnly") {
			versions = versions[len(versions)-1:]
		}
		for _, n := range versions {
			v, err := r.read(q.Context(), s, n)
			if err != nil {
				return nil, err
			}
			schemas = append(schemas, v)
		}
	}
	return schemas, nil
}

func (r *registry) listVersions(q *http.Request) (any, error) {
	s, err := r.find(q.Context(), q.PathValue("subject"), sightOf(q))
	return s.versions(sightOf(q)), err
}

func (r *registry) readVersion(q *http.Request) (any, error) { return r.versionAt(q) }

func (r *registry) readText(q *http.Request) (any, error) {
	v, err := r.versionAt(q)
	return verbatim(v.Text), err
}

// versionAt is the version in the address.
func (r *registry) versionAt(q *http.Request) (api.Version, error) {
	n, err := versionOf(q)
	if err != nil {
		return api.Version{}, err
	}
	return r.version(q.Context(), q.PathValue("subject"), n, sightOf(q))
}

func (r *registry) readID(q *http.Request) (any, error) {
	_, known, err := r.schemaAt(q)
	return known.Schema, err
}

func (r *registry) readIDText(q *http.Request) (any, error) {
	_, known, err := r.schemaAt(q)
	return verbatim(known.Text), err
}

// schemaAt is the schema with the id in the address.
func (r *registry) schemaAt(q *http.Request) (id int, known stored, err error) {
	if id, err = strconv.Atoi(q.PathValue("id")); err != nil || id < 1 {
		return 0, stored{}, refuse(http.StatusNotFound, api.NoSchema, "A schema's id is a number.")
	}
	known, err = r.byID(q.Context(), id)
	return id, known, err
}

// place is a version of a subject, as lists have it.
type place struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (r *registry) versionsOfID(q *http.Request) (any, error) {
	id, _, err := r.schemaAt(q)
	if err != nil {
		return nil, err
	}
	all, err := r.subjects(q)
	places := []place{}
	for _, s := range all {
		for _, n := range s.versions(sightOf(q)) {
			if s.IDs[n-1] == id {
				places = append(places, place{s.Name, n})
			}
		}
	}
	return places, err
}

func (r *registry) subjectsOfID(q *http.Request) (any, error) {
	answer, err := r.versionsOfID(q)
	names := []string{}
	if places, is := answer.([]place); is {
		for _, p := range places {
			names = append(names, p.Subject)
		}
	}
	return slices.Compact(names), err
}

func (r *registry) referencedBy(q *http.Request) (any, error) {
	v, err := r.versionAt(q)
	if err != nil {
		return nil, err
	}
	return r.referrers(q.Context(), v.Subject, v.Version)
}

// referrers are the ids of the schemas that refer to a version, those that can be restored among them.
func (r *registry) referrers(ctx context.Context, name string, n int) ([]int, error) {
	names, err := r.bucket.names(ctx, subjectKey)
	if err != nil {
		return nil, err
	}
	ids := []int{}
	for _, other := range names {
		s, _, err := r.stored(ctx, other)
		if err != nil {
			return nil, err
		}
		for _, version := range s.versions(deleted) {
			v, err := r.read(ctx, s, version)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(v.References, func(to api.Reference) bool { return to.Subject == name && to.Version == n }) {
				ids = append(ids, v.ID)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
