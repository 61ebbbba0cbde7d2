package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/internal/natsadmin"
	api "example.com/ordersaga/internal/schemaregistry"
)

// defaultMode is for subjects without a mode; the package's comment has the reason.
const defaultMode = schema.FullTransitive

// mode is the compatibility mode of a subject, and whether it is its own or the one of all.
func (r *registry) mode(ctx context.Context, name string) (mode schema.Mode, own bool, err error) {
	for _, key := range []string{named(modeKey, name), modeKey + everywhere} {
		if revision, err := r.bucket.get(ctx, key, &mode); err != nil || revision > 0 {
			return mode, key != modeKey+everywhere, err
		}
	}
	return defaultMode, false, nil
}

// setMode changes the mode of a subject, or of all that have none of their own ("").
func (r *registry) setMode(ctx context.Context, name string, mode schema.Mode) (err error) {
	key := modeKey + everywhere
	if name != "" {
		key = named(modeKey, name)
	}
	for range tries {
		var before schema.Mode
		revision, err := r.bucket.get(ctx, key, &before)
		if err != nil {
			return err
		}
		if err = r.bucket.put(ctx, key, mode, revision); !errors.Is(err, errTaken) {
			return err
		}
	}
	return errTaken
}

// resetMode takes the mode of a subject away, or of all that have none of their own (""), and returns what it was.
func (r *registry) resetMode(ctx context.Context, name string) (before schema.Mode, err error) {
	key := modeKey + everywhere
	if name != "" {
		key = named(modeKey, name)
	}
	revision, err := r.bucket.get(ctx, key, &before)
	switch {
	case err != nil:
		return before, err
	case revision == 0 && name != "":
		return before, refuse(http.StatusNotFound, api.NoSubjectConfig,
			"Subject '%.100s' does not have subject-level compatibility configured", name)
	case revision == 0:
		return defaultMode, nil
	}
	return before, r.bucket.remove(ctx, key)
}

// judge is whether a schema may follow these versions, under the subject's mode. An [api.Error] means that
// it is no schema that could be registered at all.
func (r *registry) judge(ctx context.Context, s subject, versions []int, given request) (schema.Verdict, error) {
	next, err := r.parse(ctx, given.Schema)
	if err != nil {
		return schema.Verdict{}, err
	}
	mode, _, err := r.mode(ctx, s.Name)
	if err != nil {
		return schema.Verdict{}, err
	}
	var earlier []*schema.Schema
	for i, n := range versions {
		if i < len(versions)-1 && !strings.HasSuffix(string(mode), "_TRANSITIVE") {
			continue
		}
		known, err := r.byID(ctx, s.IDs[n-1])
		if err != nil {
			return schema.Verdict{}, err
		}
		old, err := r.parse(ctx, known.Schema)
		if err != nil {
			//nolint:errorlint // an earlier schema that cannot be read is no error of this client
			return schema.Verdict{}, fmt.Errorf("version %d of %s: %v", n, s.Name, err)
		}
		old.Name = fmt.Sprintf("version %d", n)
		earlier = append(earlier, old)
	}
	return schema.Check(mode, next, earlier, schema.Lenient), nil
}

// largest is how many bytes an entry with a schema may have.
const largest = natsadmin.MaxSchema

// parse reads a schema with everything that it refers to.
func (r *registry) parse(ctx context.Context, given api.Schema) (*schema.Schema, error) {
	if given.Type != api.JSON {
		return nil, invalid("schemaType must be JSON, the only one here")
	}
	if size := len(encode(given)); size > largest {
		return nil, invalid("it has %d bytes as it would be kept, at most %d are allowed", size, largest)
	}
	texts := map[string]string{}
	if err := r.follow(ctx, given, texts); err != nil {
		return nil, err
	}
	parsed, err := schema.Parse([]byte(given.Text), func(ref string) ([]byte, error) {
		text, known := texts[ref]
		if !known {
			return nil, fmt.Errorf("no reference is named %.100q", ref)
		}
		return []byte(text), nil
	})
	if err != nil {
		return nil, invalid("%v", err)
	}
	return parsed, nil
}

// mostReferences bounds what one schema may have to be read with.
const mostReferences = 50

// follow collects the texts of all references by name, and of theirs. They cannot lead in a circle: a version
// that is referred to was there before.
func (r *registry) follow(ctx context.Context, given api.Schema, texts map[string]string) error {
	for _, reference := range given.References {
		if len(texts) >= mostReferences {
			return invalid("it refers to more than %d schemas", mostReferences)
		}
		if reference.Name == "" || reference.Version < 1 {
			return invalid("a reference has a name, a subject and a version")
		}
		found, err := r.version(ctx, reference.Subject, reference.Version, deleted)
		if refused, is := errors.AsType[*api.Error](err); is {
			return invalid("the reference %.100q: %s", reference.Name, refused.Message)
		}
		if err != nil {
			return err
		}
		known, seen := texts[reference.Name]
		switch {
		case !seen:
			texts[reference.Name] = found.Text
			if err := r.follow(ctx, found.Schema, texts); err != nil {
				return err
			}
		case known != found.Text:
			return invalid("two references are named %.100q, and are not the same", reference.Name)
		}
	}
	return nil
}

// incompatible is the refusal of a schema, with the reasons and the consumers that read the event.
func incompatible(name string, verdict schema.Verdict) error {
	message := strings.Join(messages(verdict), "; ")
	if readers := readersOf(name); len(readers) > 0 {
		message += "; it is read by " + strings.Join(readers, ", ")
	}
	return refuse(http.StatusConflict, api.IncompatibleSchema,
		"Schema being registered is incompatible with an earlier schema for subject \"%.100s\": %s", name, message)
}

// mostReasons bounds an answer; what is certain comes first.
const mostReasons = 20

func messages(verdict schema.Verdict) []string {
	var all []string
	for _, reason := range verdict.Reasons {
		all = append(all, reason.String())
	}
	return slices.Clip(all[:min(len(all), mostReasons)])
}

// readersOf are the consumers that have a pact about an event, each with the fields that it reads. A refusal is no less
// true without them, so what cannot be read of the pacts is left out.
func readersOf(subject string) (readers []string) {
	pacts, _ := pact.All()
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if i.Key != subject || i.Type != pact.Message {
				continue
			}
			message, _ := pact.Decode(i.Contents.Content)
			envelope, _ := message.(map[string]any)
			fields := strings.ReplaceAll(strings.Join(pact.Leaves(envelope["data"]), ", "), "$.", "")
			readers = append(readers, fmt.Sprintf("%s (%s)", p.Consumer.Name, fields))
		}
	}
	return readers
}
