package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"

	api "example.com/ordersaga/internal/schemaregistry"
)

// deleteSubject deletes all versions of a subject, and answers which they are.
func (r *registry) deleteSubject(q *http.Request) (any, error) {
	name, permanent := q.PathValue("subject"), isSet(q, "permanent")
	var which []int
	err := r.change(q.Context(), name, func(s *subject) error {
		left := s.versions(live)
		switch {
		case permanent && len(left) > 0:
			return refuse(http.StatusNotFound, api.SubjectNotDeleted,
				"Subject '%.100s' was not deleted first before being permanently deleted", name)
		case !permanent && len(left) == 0:
			return refuse(http.StatusNotFound, api.SubjectDeleted,
				"Subject '%.100s' was soft deleted. Set permanent=true to delete permanently", name)
		}
		which = s.versions(deleted)
		if !permanent {
			which = left
		}
		return r.delete(q.Context(), s, which, permanent)
	})
	return which, err
}

// deleteVersion deletes one version, and answers which it is.
func (r *registry) deleteVersion(q *http.Request) (any, error) {
	n, err := versionOf(q)
	if err != nil {
		return nil, err
	}
	name, permanent := q.PathValue("subject"), isSet(q, "permanent")
	which := n
	err = r.change(q.Context(), name, func(s *subject) error {
		if which = n; n == 0 {
			which = slices.Max(s.versions(deleted))
			if left := s.versions(live); !permanent && len(left) > 0 {
				which = slices.Max(left)
			}
		}
		marked := slices.Contains(s.Deleted, which)
		switch {
		case !slices.Contains(s.versions(deleted), which):
			return refuse(http.StatusNotFound, api.NoVersion, "Version %d not found.", which)
		case permanent && !marked:
			return refuse(http.StatusNotFound, api.VersionNotDeleted,
				"Subject '%.100s' Version %d was not deleted first before being permanently deleted", name, which)
		case !permanent && marked:
			return refuse(http.StatusNotFound, api.VersionDeleted,
				"Subject '%.100s' Version %d was soft deleted. Set permanent=true to delete permanently", name, which)
		}
		return r.delete(q.Context(), s, []int{which}, permanent)
	})
	return which, err
}

// delete marks versions, which nothing may refer to.
func (r *registry) delete(ctx context.Context, s *subject, which []int, permanent bool) error {
	for _, n := range which {
		referrers, err := r.referrers(ctx, s.Name, n)
		if err != nil {
			return err
		}
		if len(referrers) > 0 {
			return refuse(http.StatusUnprocessableEntity, api.ReferenceExists,
				"One or more references exist to the schema '%.100s' version %d: those of the ids %v", s.Name, n, referrers)
		}
	}
	if permanent {
		s.Gone = append(s.Gone, which...)
	} else {
		s.Deleted = append(s.Deleted, which...)
	}
	return nil
}

// change changes a subject that there is, and begins anew when another process was faster.
func (r *registry) change(ctx context.Context, name string, how func(*subject) error) error {
	for range tries {
		s, revision, err := r.stored(ctx, name)
		if err != nil {
			return err
		}
		if len(s.versions(deleted)) == 0 {
			return noSubject(name)
		}
		if err := how(&s); err != nil {
			return err
		}
		if err := r.bucket.put(ctx, named(subjectKey, name), s, revision); !errors.Is(err, errTaken) {
			return err
		}
	}
	return errTaken
}
