package schema

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// reference is what a $ref leads to.
func (f *follower) reference(from spot, reference any) (any, error) {
	text, is := reference.(string)
	if !is {
		return nil, fmt.Errorf("%s: a reference is a string", from)
	}
	name, fragment, _ := strings.Cut(text, "#")
	pointer, err := url.PathUnescape(fragment)
	if err != nil || pointer != "" && !strings.HasPrefix(pointer, "/") {
		return nil, fmt.Errorf("%s: %s does not name a place by its path", from, text)
	}
	if name == "" || name == idOf(f.documents[from.document]) {
		name = from.document
	}
	if slices.Contains(f.open, name+"#"+pointer) {
		return nil, fmt.Errorf("%s: %s leads back to itself, and a schema that contains itself cannot be judged", from, text)
	}
	at, err := f.document(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	for _, key := range strings.Split(pointer, "/")[1:] {
		at = inside(at, unescape(key))
	}
	if at == nil {
		return nil, fmt.Errorf("%s: %s leads nowhere", from, text)
	}
	f.open = append(f.open, name+"#"+pointer)
	defer func() { f.open = f.open[:len(f.open)-1] }()
	return f.schema(spot{name, pointer}, at)
}

func (f *follower) document(name string) (any, error) {
	if document, has := f.documents[name]; has {
		return document, nil
	}
	if f.resolve == nil {
		return nil, fmt.Errorf("it refers to %s, and there are no other schemas", name)
	}
	text, err := f.resolve(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	document, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	f.documents[name] = document
	return document, nil
}

func idOf(document any) any {
	object, _ := document.(map[string]any)
	return object["$id"]
}

func inside(at any, key string) any {
	switch at := at.(type) {
	case map[string]any:
		return at[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(at) {
			return at[i]
		}
	}
	return nil
}

// unescape is the key that a JSON pointer means.
func unescape(key string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
}
