package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"example.com/ordersaga/contracts/schema"
	api "example.com/ordersaga/internal/schemaregistry"
)

// subject is what is stored of one: the ids of its versions, the first of which is version 1.
type subject struct {
	Name string `json:"name"`
	IDs  []int  `json:"ids"`
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
func (r *registry) register(ctx context.Context, name string, given api.Schema) (id int, err error) {
	r.turns.Lock()
	defer r.turns.Unlock()
	for range tries {
		if id, err = r.tryRegister(ctx, name, given); !errors.Is(err, errTaken) {
			return id, err
		}
	}
	return 0, err
}

func (r *registry) tryRegister(ctx context.Context, name string, given api.Schema) (int, error) {
	var s subject
	revision, err := r.bucket.get(ctx, named(subjectKey, name), &s)
	if err != nil {
		return 0, err
	}
	if version, err := r.versionOf(ctx, s, given); err != nil {
		return 0, err
	} else if version > 0 {
		return s.IDs[version-1], nil
	}
	verdict, err := r.judge(ctx, name, s.IDs, given)
	if err != nil {
		return 0, err
	}
	if verdict.Answer != schema.Compatible {
		return 0, incompatible(name, verdict)
	}
	id, err := r.identify(ctx, given)
	if err != nil {
		return 0, err
	}
	s.Name, s.IDs = name, append(s.IDs, id)
	return id, r.bucket.put(ctx, named(subjectKey, name), s, revision)
}

// versionOf is which version of a subject the schema is; 0: none.
func (r *registry) versionOf(ctx context.Context, s subject, given api.Schema) (int, error) {
	for i, id := range s.IDs {
		known, err := r.byID(ctx, id)
		if err != nil {
			return 0, err
		}
		if known.Hash == hash(given) {
			return i + 1, nil
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

// find is a subject that there is.
func (r *registry) find(ctx context.Context, name string) (subject, error) {
	var s subject
	revision, err := r.bucket.get(ctx, named(subjectKey, name), &s)
	if err == nil && revision == 0 {
		err = refuse(http.StatusNotFound, api.NoSubject, "Subject '%.100s' not found.", name)
	}
	return s, err
}

// version is one of a subject's versions; 0 is the latest.
func (r *registry) version(ctx context.Context, name string, n int) (api.Version, error) {
	s, err := r.find(ctx, name)
	if err != nil {
		return api.Version{}, err
	}
	if n == 0 {
		n = len(s.IDs)
	}
	if n > len(s.IDs) {
		return api.Version{}, refuse(http.StatusNotFound, api.NoVersion, "Version %d not found.", n)
	}
	known, err := r.byID(ctx, s.IDs[n-1])
	return api.Version{Subject: name, ID: s.IDs[n-1], Version: n, Schema: known.Schema}, err
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
