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
	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/mailbox"
)

// defaultMode is for subjects about which nobody has said anything; the package's comment says why.
const defaultMode = schema.FullTransitive

// mode is the compatibility mode of a subject, its own or the one of all. The second result tells whose it is.
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

// judge says whether a schema may follow the versions with these ids, under the subject's mode. An error of the
// client's says that it is no schema that could be registered at all.
func (r *registry) judge(ctx context.Context, name string, ids []int, given api.Schema) (schema.Verdict, error) {
	next, err := r.parse(ctx, given)
	if err != nil {
		return schema.Verdict{}, invalid(err)
	}
	mode, _, err := r.mode(ctx, name)
	if err != nil {
		return schema.Verdict{}, err
	}
	var earlier []*schema.Schema
	for i, id := range ids {
		if i < len(ids)-1 && !strings.HasSuffix(string(mode), "_TRANSITIVE") {
			continue
		}
		known, err := r.byID(ctx, id)
		if err != nil {
			return schema.Verdict{}, err
		}
		old, err := r.parse(ctx, known.Schema)
		if err != nil {
			return schema.Verdict{}, fmt.Errorf("version %d of %s: %w", i+1, name, err)
		}
		old.Name = fmt.Sprintf("version %d", i+1)
		earlier = append(earlier, old)
	}
	return schema.Check(mode, next, earlier, schema.Lenient), nil
}

// largest is how many bytes an entry with a schema may have.
const largest = mailbox.MaxSchema

// parse reads a schema with everything that it refers to.
func (r *registry) parse(ctx context.Context, given api.Schema) (*schema.Schema, error) {
	if given.Type != api.JSON {
		return nil, refusal("schemaType must be JSON, the only one here")
	}
	if size := len(encode(given)); size > largest {
		return nil, refusal("it has %d bytes as it would be kept, at most %d are allowed", size, largest)
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
		return nil, refusal("%w", err)
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
			return refusal("it refers to more than %d schemas", mostReferences)
		}
		if reference.Name == "" || reference.Version < 1 {
			return refusal("a reference has a name, a subject and a version")
		}
		found, err := r.version(ctx, reference.Subject, reference.Version)
		if refused, is := errors.AsType[*api.Error](err); is {
			return refusal("the reference %.100q: %s", reference.Name, refused.Message)
		}
		if err != nil {
			return err
		}
		known, twice := texts[reference.Name]
		if twice && known != found.Text {
			return refusal("two references are named %.100q, and are not the same", reference.Name)
		}
		if !twice {
			texts[reference.Name] = found.Text
			if err := r.follow(ctx, found.Schema, texts); err != nil {
				return err
			}
		}
	}
	return nil
}

// refused is what is wrong with a schema, in contrast to what keeps us from looking at it.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

func refusal(format string, args ...any) error { return refused{fmt.Errorf(format, args...)} }

// invalid makes a client's error of what is wrong with a schema.
func invalid(err error) error {
	var wrong refused
	if !errors.As(err, &wrong) {
		return err
	}
	return &api.Error{Status: http.StatusUnprocessableEntity, Code: api.InvalidSchema, Message: "Invalid schema: " + wrong.Error()}
}

// incompatible is the answer to whoever would register what the verdict is about.
func incompatible(name string, verdict schema.Verdict) error {
	message := fmt.Sprintf("Schema being registered is incompatible with an earlier schema for subject \"%.100s\": %s",
		name, strings.Join(messages(verdict), "; "))
	if readers := readersOf(name); len(readers) > 0 {
		message += "; it is read by " + strings.Join(readers, ", ")
	}
	return &api.Error{Status: http.StatusConflict, Code: api.IncompatibleSchema, Message: message}
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
