// Package pact holds what each consumer really reads of each provider, in files of the Pact specification, version 4
// (https://github.com/pact-foundation/pact-specification/tree/version-4).
//
// The consumers' own tests write the files (package pacttest), and the providers' tests replay them: their
// real handlers and real events must satisfy them. Who reads a field that is to be changed is a question that
// the files answer; see [Breaks].
package pact

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The types of interactions that are used here.
const (
	Message = "Asynchronous/Messages"
	HTTP    = "Synchronous/HTTP"
)

// Pact is everything that a consumer expects of a provider.
type Pact struct {
	Consumer     Party         `json:"consumer"`
	Provider     Party         `json:"provider"`
	Interactions []Interaction `json:"interactions"`
	Metadata     Metadata      `json:"metadata"`
}

// Party is a consumer or a provider.
type Party struct {
	Name string `json:"name"`
}

// Metadata is the specification that a file follows.
type Metadata struct {
	Specification struct {
		Version string `json:"version"`
	} `json:"pactSpecification"`
}

// Interaction is one message, or one request and its answer.
type Interaction struct {
	Type           string  `json:"type"`
	Key            string  `json:"key"`
	Description    string  `json:"description"`
	Pending        bool    `json:"pending"`
	ProviderStates []State `json:"providerStates,omitempty"`

	Contents      *Body             `json:"contents,omitempty"` // of a message
	MatchingRules Rules             `json:"matchingRules,omitempty"`
	Attributes    map[string]string `json:"metadata,omitempty"`

	Request  *Request  `json:"request,omitempty"`
	Response *Response `json:"response,omitempty"`
}

// State is what must be the case at the provider. The values of Params are examples: the provider puts its own in
// their place.
type State struct {
	Name   string            `json:"name"`
	Params map[string]string `json:"params,omitempty"`
}

// Body is the content of a message, a request or an answer.
type Body struct {
	Content     json.RawMessage `json:"content"`
	ContentType string          `json:"contentType"`
	Encoded     bool            `json:"encoded"`
}

// Request is what the consumer sends.
type Request struct {
	Method     string              `json:"method"`
	Path       string              `json:"path"`
	Query      map[string][]string `json:"query,omitempty"`
	Headers    map[string][]string `json:"headers,omitempty"`
	Body       *Body               `json:"body,omitempty"`
	Generators *Generators         `json:"generators,omitempty"`
}

// Response is what it reads of the answer.
type Response struct {
	Status        int   `json:"status"`
	Body          *Body `json:"body,omitempty"`
	MatchingRules Rules `json:"matchingRules,omitempty"`
}

// Generators put the provider's own values into a request, and new ones for each try.
type Generators struct {
	Path   *Generator           `json:"path,omitempty"`
	Header map[string]Generator `json:"header,omitempty"`
	Body   map[string]Generator `json:"body,omitempty"`
}

// Generator is an expression over the values of a provider state, such as /v1/orders/${order_id}, or a new UUID.
type Generator struct {
	Type       string `json:"type"` // ProviderState or Uuid
	Expression string `json:"expression,omitempty"`
}

// Rules are how values are compared, by category (body, and a message's metadata) and path.
type Rules map[string]map[string]Rule

// Rule is how the values at a path are compared. Without one they must be equal. Optional is no part of the
// specification: the value may be missing, since its schema does not require it, and is read where it is not.
type Rule struct {
	Combine  string    `json:"combine"`
	Matchers []Matcher `json:"matchers"`
	Optional bool      `json:"optional,omitempty"`
}

// Matcher is a comparison: "type" wants the same JSON type, and of a list at least Min items like the first; "regex" a
// text that the expression matches.
type Matcher struct {
	Match string `json:"match"`
	Regex string `json:"regex,omitempty"`
	Min   int    `json:"min,omitempty"`
}

// New is a pact with its interactions in order.
func New(consumer, provider string, interactions ...Interaction) Pact {
	p := Pact{Consumer: Party{consumer}, Provider: Party{provider}, Interactions: interactions}
	p.Metadata.Specification.Version = "4.0"
	slices.SortFunc(p.Interactions, func(a, b Interaction) int { return cmp.Compare(a.Key, b.Key) })
	return p
}

// File is the name of a pact's file.
func (p Pact) File() string { return p.Consumer.Name + "-" + p.Provider.Name + ".json" }

// Encode is the file's content, the same for the same pact.
func (p Pact) Encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		return nil, fmt.Errorf("encode the pact of %s with %s: %w", p.Consumer.Name, p.Provider.Name, err)
	}
	return b.Bytes(), nil
}

//go:embed pacts/*.json
var files embed.FS

// All are the pacts that there are.
func All() ([]Pact, error) {
	names, err := fs.Glob(files, "pacts/*.json")
	if err != nil {
		return nil, err
	}
	all := make([]Pact, 0, len(names))
	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var p Pact
		if err := json.Unmarshal(content, &p); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if !strings.HasPrefix(p.Metadata.Specification.Version, "4.") {
			return nil, fmt.Errorf("%s follows version %q of the specification, not 4", name, p.Metadata.Specification.Version)
		}
		all = append(all, p)
	}
	return all, nil
}
