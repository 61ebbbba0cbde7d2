package traces

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// The ids of OpenTelemetry.
type (
	traceID [16]byte
	spanID  [8]byte
)

func (id traceID) String() string { return hex.EncodeToString(id[:]) }
func (id spanID) String() string  { return hex.EncodeToString(id[:]) }

// link leads from a span to another one, mostly of another trace.
type link struct {
	trace traceID
	span  spanID
}

// field is an attribute of a span, its value as text.
type field struct{ key, value string }

// span is what is kept of a span.
type span struct {
	id, parent        spanID
	start, duration   int64 // nanoseconds, since 1970
	name              string
	service, instance string
	kind              otlp.Span_SpanKind
	status            otlp.Status_StatusCode
	problem           string // the description of its error
	attributes        []field
	links             []link
}

const (
	// maxWords bounds the strings that are stored once for all spans: names, keys of attributes, services. Beyond it, or
	// when they are longer than maxWord, they are stored with each span. A sound system has some two hundred.
	maxWords, maxWord = 2048, 96
	// maxText is where a longer value is cut, and maxFields how many attributes, or links, of a span are kept.
	maxText, maxFields = 512, 128
)

// words are the interned strings.
type words struct {
	list  []string
	place map[string]uint64
}

// append writes a string: its number from 1 on, or 0 and itself.
func (w *words) append(to []byte, word string) []byte {
	place, known := w.place[word]
	if !known && len(w.list) < maxWords && len(word) <= maxWord {
		word = strings.Clone(word) // else it would hold on to the whole request
		w.list = append(w.list, word)
		place, known = uint64(len(w.list)), true
		w.place[word] = place
	}
	if known {
		return binary.AppendUvarint(to, place)
	}
	return appendText(append(to, 0), word)
}

func appendText(to []byte, text string) []byte {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText-len("…")], "") + "…"
	}
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// append writes a span: without pointers, in some 150 bytes, which the garbage collector need not look at.
func (w *words) appendSpan(to []byte, s *span) []byte {
	to = append(append(to, s.id[:]...), s.parent[:]...)
	to = binary.AppendUvarint(to, uint64(s.start))
	to = binary.AppendUvarint(to, uint64(s.duration))
	to = w.append(w.append(w.append(to, s.name), s.service), s.instance)
	to = append(to, byte(s.kind), byte(s.status))
	to = appendText(to, s.problem)
	to = binary.AppendUvarint(to, uint64(len(s.attributes)))
	for _, a := range s.attributes {
		to = appendText(w.append(to, a.key), a.value)
	}
	to = binary.AppendUvarint(to, uint64(len(s.links)))
	for _, l := range s.links {
		to = append(append(to, l.trace[:]...), l.span[:]...)
	}
	return to
}

// reader reads what appendSpan has written.
type reader struct {
	words *words
	rest  []byte
}

func (r *reader) bytes(n int) []byte {
	bytes := r.rest[:n]
	r.rest = r.rest[n:]
	return bytes
}

func (r *reader) number() uint64 {
	number, length := binary.Uvarint(r.rest)
	r.rest = r.rest[length:]
	return number
}

func (r *reader) text() string { return string(r.bytes(int(r.number()))) }

func (r *reader) word() string {
	if place := r.number(); place > 0 {
		return r.words.list[place-1]
	}
	return r.text()
}

func (r *reader) span() (s span) {
	s.id, s.parent = spanID(r.bytes(8)), spanID(r.bytes(8))
	s.start, s.duration = int64(r.number()), int64(r.number())
	s.name, s.service, s.instance = r.word(), r.word(), r.word()
	s.kind, s.status = otlp.Span_SpanKind(r.bytes(1)[0]), otlp.Status_StatusCode(r.bytes(1)[0])
	s.problem = r.text()
	for range r.number() {
		s.attributes = append(s.attributes, field{r.word(), r.text()})
	}
	for range r.number() {
		s.links = append(s.links, link{traceID(r.bytes(16)), spanID(r.bytes(8))})
	}
	return s
}

func (s *span) end() int64 { return s.start + s.duration }

func (s *span) attribute(key string) string {
	for _, a := range s.attributes {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

func at(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }
