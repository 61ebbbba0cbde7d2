package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/contracts/validator"
	api "example.com/ordersaga/internal/schemaregistry"
)

// subject is what is stored of one: the ids of its versions, the first of which is version 1. A version that is deleted
// keeps its number and its id; no other one ever gets that number.
type subject struct {
	Name    string `json:"name"`
	IDs     []int  `json:"ids"`
	Deleted []int  `json:"deleted,omitempty"` // versions that are only seen when they are asked for
	Gone    []int  `json:"gone,omitempty"`    // versions that are not seen any more
}

// sight is which versions are seen.
type sight int

const (
	live        sight = iota
	deleted           // those that are deleted, and not permanently, among the others
	onlyDeleted       // those alone
)

// versions are the numbers of those that are seen.
func (s subject) versions(which sight) []int {
	seen := []int{}
	for n := 1; n <= len(s.IDs); n++ {
		marked := slices.Contains(s.Deleted, n)
		if !slices.Contains(s.Gone, n) && (which == deleted || marked == (which == onlyDeleted)) {
			seen = append(seen, n)
		}
	}
	return seen
}

// stored is a schema as it is stored. Equal schemas have equal hashes.
type stored struct {
	api.Schema
	Hash string `json:"hash"`
}

// tries bounds how often a registration starts anew because others were faster.
const tries = 100

// register adds a version to a subject, unless it has this schema already. When another process has changed the subject
// meanwhile, it begins anew. Within a process registrations take turns: they would only make each other begin anew.
func (r *registry) register(ctx context.Context, name string, given request) (id int, err error) {
	r.turns.Lock()
	defer r.turns.Unlock()
	for range tries {
		if id, err = r.tryRegister(ctx, name, given); !errors.Is(err, errTaken) {
			return id, err
		}
	}
	return 0, err
}

func (r *registry) tryRegister(ctx context.Context, name string, given request) (int, error) {
	s, revision, err := r.stored(ctx, name)
	if err != nil {
		return 0, err
	}
	if version, err := r.versionOf(ctx, s, live, given); err != nil {
		return 0, err
	} else if version > 0 {
		return s.IDs[version-1], nil
	}
	verdict, err := r.judge(ctx, s, s.versions(live), given)
	if err != nil {
		return 0, err
	}
	if verdict.Answer != schema.Compatible {
		return 0, incompatible(name, verdict)
	}
	id, err := r.identify(ctx, given.Schema)
	if err != nil {
		return 0, err
	}
	s.IDs = append(s.IDs, id)
	return id, r.bucket.put(ctx, named(subjectKey, name), s, revision)
}

// versionOf is which version of a subject the schema is; 0: none.
func (r *registry) versionOf(ctx context.Context, s subject, which sight, given request) (int, error) {
	for _, n := range s.versions(which) {
		known, err := r.byID(ctx, s.IDs[n-1])
		if err != nil {
			return 0, err
		}
		if known.Hash == hash(given.Schema) || given.normalize && hash(normal(known.Schema)) == hash(given.Schema) {
			return n, nil
		}
	}
	return 0, nil
}

// identify gives a schema its id, the same one under every subject. Of two processes that give one at the same moment
// the first to store it decides, and the other's id is left unused.
func (r *registry) identify(ctx context.Context, given api.Schema) (int, error) {
	key := textKey + hash(given)
	var known int
	if revision, err := r.bucket.get(ctx, key, &known); err != nil || revision > 0 {
		return known, err
	}
	id, err := r.number(ctx, stored{given, hash(given)})
	if err != nil {
		return 0, err
	}
	if err := r.bucket.put(ctx, key, id, 0); !errors.Is(err, errTaken) {
		return id, err
	}
	_, err = r.bucket.get(ctx, key, &known)
	return known, err
}

// number stores a schema under the first free id.
func (r *registry) number(ctx context.Context, schema stored) (int, error) {
	for id := r.last + 1; ; id++ {
		err := r.bucket.put(ctx, idKey(id), schema, 0)
		if err == nil {
			r.last = id
			return id, nil
		}
		if !errors.Is(err, errTaken) {
			return 0, err
		}
	}
}

func (r *registry) byID(ctx context.Context, id int) (stored, error) {
	var schema stored
	revision, err := r.bucket.get(ctx, idKey(id), &schema)
	if err == nil && revision == 0 {
		err = refuse(http.StatusNotFound, api.NoSchema, "Schema %d not found", id)
	}
	return schema, err
}

// stored is what is stored of a subject, and the revision of that; 0: nothing is.
func (r *registry) stored(ctx context.Context, name string) (s subject, revision uint64, err error) {
	s.Name = name
	revision, err = r.bucket.get(ctx, named(subjectKey, name), &s)
	return s, revision, err
}

// find is a subject with a version that is seen.
func (r *registry) find(ctx context.Context, name string, which sight) (subject, error) {
	s, _, err := r.stored(ctx, name)
	if err == nil && len(s.versions(which)) == 0 {
		err = noSubject(name)
	}
	return s, err
}

func noSubject(name string) error {
	return refuse(http.StatusNotFound, api.NoSubject, "Subject '%.100s' not found.", name)
}

// version is one of a subject's versions that are seen; 0 is the latest.
func (r *registry) version(ctx context.Context, name string, n int, which sight) (api.Version, error) {
	s, err := r.find(ctx, name, which)
	if err != nil {
		return api.Version{}, err
	}
	seen := s.versions(which)
	if n == 0 {
		n = slices.Max(seen)
	}
	if !slices.Contains(seen, n) {
		return api.Version{}, refuse(http.StatusNotFound, api.NoVersion, "Version %d not found.", n)
	}
	return r.read(ctx, s, n)
}

// read is a version of a subject.
func (r *registry) read(ctx context.Context, s subject, n int) (api.Version, error) {
	known, err := r.byID(ctx, s.IDs[n-1])
	return api.Version{Subject: s.Name, ID: s.IDs[n-1], Version: n, Schema: known.Schema}, err
}

// normal is a schema in the form that all have that differ in the order of members and references alone.
func normal(given api.Schema) api.Schema {
	if document, err := validator.Decode([]byte(given.Text)); err == nil {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(document) == nil {
			given.Text = strings.TrimSpace(text.String())
		}
	}
	given.References = slices.SortedFunc(slices.Values(given.References), func(a, b api.Reference) int {
		return strings.Compare(a.Name, b.Name)
	})
	return given
}

// hash is the same for schemas that differ in nothing but their spaces.
func hash(given api.Schema) string {
	var text bytes.Buffer
	if json.Compact(&text, []byte(given.Text)) == nil {
		given.Text = text.String()
	}
	sum := sha256.Sum256(encode(given))
	return hex.EncodeToString(sum[:])
}

func encode(given api.Schema) []byte {
	content, err := json.Marshal(given)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return content
}
