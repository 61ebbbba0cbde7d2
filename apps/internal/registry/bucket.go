package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
)

// bucket is the broker's key-value store, the only place where anything is stored.
type bucket struct {
	js     jetstream.JetStream
	opened atomic.Pointer[handle]
}

// handle is how the bucket is called.
type handle struct {
	kv jetstream.KeyValue
	at time.Time
}

// fresh is for how long a handle is used. How the bucket is read is the stream's setting, which the provisioner may
// change; to ask for that with each of many requests would be most of their time.
const fresh = time.Second

// errTaken means that another process has written the entry since it was read.
var errTaken = errors.New("another process was faster")

// open finds the bucket. What is asked of one that was lost with the broker's volume is an error, until the provisioner
// has made it again.
func (b *bucket) open(ctx context.Context) (jetstream.KeyValue, error) {
	if h := b.opened.Load(); h != nil && time.Since(h.at) < fresh {
		return h.kv, nil
	}
	kv, err := b.js.KeyValue(ctx, natsadmin.Schemas)
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", natsadmin.Schemas, err)
	}
	b.opened.Store(&handle{kv, time.Now()})
	return kv, nil
}

// ready is nil when the broker has the bucket.
func (b *bucket) ready(ctx context.Context) error {
	_, err := b.js.KeyValue(ctx, natsadmin.Schemas)
	return err
}

// get reads an entry and its revision; 0: there is none.
func (b *bucket) get(ctx context.Context, key string, value any) (revision uint64, err error) {
	kv, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(entry.Value(), value); err != nil {
		return 0, fmt.Errorf("read %s: %w", key, err)
	}
	return entry.Revision(), nil
}

// put writes an entry if it still has the revision, or is still not there (0); otherwise the error is errTaken.
func (b *bucket) put(ctx context.Context, key string, value any, revision uint64) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	kv, err := b.open(ctx)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = kv.Create(ctx, key, content)
	} else {
		_, err = kv.Update(ctx, key, content, revision)
	}
	// To have been too late has one code, whether the entry should have been new or an older one.
	var refused *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return errTaken
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// remove takes an entry away.
func (b *bucket) remove(ctx context.Context, key string) error {
	kv, err := b.open(ctx)
	if err != nil {
		return err
	}
	if err := kv.Delete(ctx, key); err != nil {
		return fmt.Errorf("remove %s: %w", key, err)
	}
	return nil
}

const (
	schemaKey  = "schemas."
	textKey    = "texts."
	subjectKey = "subjects."
	modeKey    = "modes."
	everywhere = "everywhere" // the mode of all subjects that have none of their own
)

// named is a key for a name that may have any characters, which a key may not.
func named(prefix, name string) string {
	return prefix + "n" + base64.RawURLEncoding.EncodeToString([]byte(name))
}

// names lists what has an entry of this kind. It asks the stream for its subjects: to list keys the usual way needs the
// right to create consumers.
func (b *bucket) names(ctx context.Context, prefix string) ([]string, error) {
	stream, err := b.js.Stream(ctx, "KV_"+natsadmin.Schemas)
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", natsadmin.Schemas, err)
	}
	before := "$KV." + natsadmin.Schemas + "." + prefix
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(before+">"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	names := []string{}
	for key := range info.State.Subjects {
		if name, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(key, before+"n")); err == nil {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func idKey(id int) string { return schemaKey + strconv.Itoa(id) }
