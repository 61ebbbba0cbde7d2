package schema_test

// change is a change of a schema, and what it means. The verdicts are first BACKWARD (the new version reads what the old
// one wrote) and then FORWARD (the old one reads what the new one writes): ✓ compatible, ✗ incompatible, ? cannot judge.
type change struct {
	what          string
	before, after string
	lenient       string
	strict        string
	because       string
}

// chapter is a part of the catalogue. Its schemas stand in the place of the … in the frame.
type chapter struct {
	title, frame string
	changes      []change
}

const (
	whole = `…`
	field = `{"type": "object", "required": ["v"], "properties": {"v": …}}`
)

// catalogue is what every kind of change means.
var catalogue = []chapter{
	{"Properties of an open object", whole, []change{
		{"nothing changes", `{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}`, `{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}`, "✓✓", "✓✓", "the two are the same"},
		{"an optional property is added", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, "✓✓", "✗✓", "by the open schema's word, b may have been sent before, and as anything; a lenient check takes it that it was not"},
		{"an optional property without a type is added", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}`, "✓✓", "✓✓", "whatever b was, it still may be"},
		{"an optional property is taken away", `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, "✓✓", "✓✗", "the reader ignores b; taken by its word, a new writer may send b as anything"},
		{"a required property is added", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, "✗✓", "✗✓", "what was written before lacks b"},
		{"a required property is taken away", `{"type": "object", "required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, "✓✗", "✓✗", "old readers need b"},
		{"a property becomes optional", `{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, "✓✗", "✓✗", "old readers need a"},
		{"a property becomes required", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}`, "✗✓", "✗✓", "what was written before may lack a"},
		{"a property gets another name", `{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}`, `{"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}`, "✗✗", "✗✗", "each misses what it requires"},
		{"a property is required that is not described", `{"type": "object", "properties": {"a": {}}}`, `{"type": "object", "required": ["b"], "properties": {"a": {}}}`, "✗✓", "✗✓", "required is enough to need it"},
		{"a property is forbidden", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": false}}`, "✗✓", "✗✓", "what was written before may have a; who never sends it breaks nobody"},
		{"a property of an inner object becomes required", `{"type": "object", "properties": {"to": {"type": "object", "properties": {"city": {"type": "string"}}}}}`, `{"type": "object", "properties": {"to": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}}`, "✗✓", "✗✓", "the rules hold at every depth"},
		{"an object without properties gets some", `{"type": "object"}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, "✗✓", "✗✓", "who declares nothing sends something all the same, and a may have been anything"},
	}},
	{"Closed objects, and maps", whole, []change{
		{"an open object is closed", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}`, "✓✓", "✗✓", "by its word, an open writer may send more than a"},
		{"a closed object is opened", `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, "✓✓", "✓✗", "the same the other way round"},
		{"an optional property is added to a closed object", `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}`, `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "additionalProperties": false}`, "✓✗", "✓✗", "old readers refuse b; that b was not there before is certain"},
		{"an optional property is taken from a closed object", `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "additionalProperties": false}`, `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}`, "✗✓", "✗✓", "the new reader refuses the b that was written"},
		{"the values of a map get another type", `{"type": "object", "additionalProperties": {"type": "integer"}}`, `{"type": "object", "additionalProperties": {"type": "number"}}`, "✓✗", "✓✗", "undeclared properties with a schema are declared to come"},
		{"a property is added to a map, with its type", `{"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}`, `{"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}`, "✓✓", "✓✓", "b had that type before it had a name"},
		{"a property is added to a map, with another type", `{"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}`, `{"type": "object", "properties": {"b": {"type": "integer"}}, "additionalProperties": {"type": "string"}}`, "✗✗", "✗✗", "b was a string"},
		{"an open object declares that it is", `{"type": "object", "properties": {"a": {"type": "string"}}}`, `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true}`, "✓✓", "✓✓", "JSON Schema means the same without it"},
	}},
	{"Types", field, []change{
		{"an integer becomes a number", `{"type": "integer"}`, `{"type": "number"}`, "✓✗", "✓✗", "every integer is a number"},
		{"a number becomes an integer", `{"type": "number"}`, `{"type": "integer"}`, "✗✓", "✗✓", "1.5 is a number"},
		{"a number becomes a string", `{"type": "number"}`, `{"type": "string"}`, "✗✗", "✗✗", "no number is a string"},
		{"a value may be null as well", `{"type": "string"}`, `{"type": ["string", "null"]}`, "✓✗", "✓✗", "old readers do not take null"},
		{"a type is taken away", `{"type": "string"}`, `{}`, "✓✗", "✓✗", "old readers take strings alone"},
		{"a type is written as a list", `{"type": "string"}`, `{"type": ["string"]}`, "✓✓", "✓✓", "it means the same"},
		{"a bound contradicts itself", `{"type": "integer", "minimum": 5, "maximum": 3}`, `{"type": "string"}`, "✓✗", "✓✗", "there was nothing to read before"},
	}},
	{"Numbers", field, []change{
		{"a minimum is added", `{"type": "integer"}`, `{"type": "integer", "minimum": 0}`, "✗✓", "✗✓", "-1 was allowed"},
		{"a minimum is lowered", `{"type": "integer", "minimum": 1}`, `{"type": "integer", "minimum": 0}`, "✓✗", "✓✗", "old readers do not take 0"},
		{"a maximum is lowered", `{"type": "integer", "maximum": 10}`, `{"type": "integer", "maximum": 9}`, "✗✓", "✗✓", "10 was allowed"},
		{"a minimum of 0 becomes one above 0", `{"type": "number", "minimum": 0}`, `{"type": "number", "exclusiveMinimum": 0}`, "✗✓", "✗✓", "0 was allowed"},
		{"integers above 0 become integers from 1", `{"type": "integer", "exclusiveMinimum": 0}`, `{"type": "integer", "minimum": 1}`, "✓✓", "✓✓", "there is no integer between them"},
		{"a maximum is written as 1e1", `{"type": "integer", "maximum": 10}`, `{"type": "integer", "maximum": 1e1}`, "✓✓", "✓✓", "it is the same number"},
		{"a number must be a multiple", `{"type": "integer"}`, `{"type": "integer", "multipleOf": 5}`, "?✓", "?✓", "multipleOf is not judged; at the writer it only narrows"},
	}},
	{"Strings", field, []change{
		{"a maximum length is added", `{"type": "string"}`, `{"type": "string", "maxLength": 64}`, "✗✓", "✗✓", "longer ones were allowed"},
		{"a minimum length is taken away", `{"type": "string", "minLength": 1}`, `{"type": "string"}`, "✓✗", "✓✗", "old readers do not take the empty string"},
		{"a pattern is added", `{"type": "string"}`, `{"type": "string", "pattern": "^[A-Z]{3}$"}`, "✗✓", "✗✓", "the empty string, for example, was allowed and does not match"},
		{"a pattern is written otherwise", `{"type": "string", "pattern": "^[A-Z]{2}$"}`, `{"type": "string", "pattern": "^[A-Z][A-Z]$"}`, "??", "??", "whether two patterns match the same is not judged, and no example distinguishes them"},
		{"a pattern gets narrower", `{"type": "string", "pattern": "^[A-Z]+$"}`, `{"type": "string", "pattern": "^[A-Z]{3}$"}`, "✗?", "✗?", "an example shows one direction; nothing can show the other"},
		{"a pattern that everything matches is added", `{"type": "string"}`, `{"type": "string", "pattern": ""}`, "✓✓", "✓✓", "an empty pattern allows everything"},
		{"a length is added to a pattern that implies it", `{"type": "string", "pattern": "^[A-Z]{3}$"}`, `{"type": "string", "pattern": "^[A-Z]{3}$", "maxLength": 3}`, "?✓", "?✓", "what lengths a pattern allows is not judged"},
		{"a format is added", `{"type": "string"}`, `{"type": "string", "format": "uuid"}`, "✗✓", "✗✓", "other strings were allowed"},
		{"a format becomes another one", `{"type": "string", "format": "date"}`, `{"type": "string", "format": "date-time"}`, "✗✗", "✗✗", "a date is no date and time, and the reverse"},
		{"a format is added that nobody checks", `{"type": "integer"}`, `{"type": "integer", "format": "int32"}`, "?✓", "?✓", "what it means is not known"},
	}},
	{"Lists", field, []change{
		{"the items get another type", `{"type": "array", "items": {"type": "integer"}}`, `{"type": "array", "items": {"type": "string"}}`, "✗✗", "✗✗", "the rules hold for each item; an empty list alone would be read"},
		{"the items get a type", `{"type": "array"}`, `{"type": "array", "items": {"type": "string"}}`, "✗✓", "✗✓", "they could be anything"},
		{"a list may be empty", `{"type": "array", "minItems": 1}`, `{"type": "array"}`, "✓✗", "✓✗", "old readers need an item"},
		{"a list may be longer", `{"type": "array", "maxItems": 10}`, `{"type": "array", "maxItems": 20}`, "✓✗", "✓✗", "old readers take 10"},
		{"the items of a list that is always empty get another type", `{"type": "array", "maxItems": 0, "items": {"type": "integer"}}`, `{"type": "array", "maxItems": 0, "items": {"type": "string"}}`, "✓✓", "✓✓", "there are none"},
		{"a list must not repeat itself", `{"type": "array"}`, `{"type": "array", "uniqueItems": true}`, "?✓", "?✓", "uniqueItems is not judged; at the writer it only narrows"},
		{"the first item is something else", `{"type": "array", "items": {"type": "integer"}}`, `{"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}`, "??", "??", "prefixItems is not judged, and changes what items means"},
	}},
	{"Certain values", field, []change{
		{"a value is added to an enum", `{"enum": ["a", "b"]}`, `{"enum": ["a", "b", "c"]}`, "✓✗", "✓✗", "old readers do not know c"},
		{"a value is taken from an enum", `{"enum": ["a", "b", "c"]}`, `{"enum": ["a", "b"]}`, "✗✓", "✗✓", "c was allowed"},
		{"the values of an enum are put in another order", `{"enum": ["a", "b"]}`, `{"enum": ["b", "a"]}`, "✓✓", "✓✓", "order means nothing"},
		{"an enum of one becomes a const", `{"enum": ["a"]}`, `{"const": "a"}`, "✓✓", "✓✓", "it means the same"},
		{"a const becomes another one", `{"const": "1.0"}`, `{"const": "1.1"}`, "✗✗", "✗✗", "neither reads the other"},
		{"an enum becomes any string", `{"type": "string", "enum": ["a", "b"]}`, `{"type": "string"}`, "✓✗", "✓✗", "old readers take a and b alone"},
		{"an enum becomes a pattern", `{"enum": ["EUR", "USD"]}`, `{"type": "string", "pattern": "^[A-Z]{3}$"}`, "✓✗", "✓✗", "each value is tried, so the pattern need not be understood"},
		{"true and false are listed", `{"type": "boolean"}`, `{"enum": [true, false]}`, "✓✓", "✓✓", "there are no others"},
		{"integers are listed", `{"type": "integer", "minimum": 1, "maximum": 3}`, `{"enum": [1, 2, 3]}`, "✓✓", "✓✓", "there are no others"},
	}},
	{"Alternatives and combinations", field, []change{
		{"an alternative is added", `{"anyOf": [{"type": "string"}]}`, `{"anyOf": [{"type": "string"}, {"type": "integer"}]}`, "✓✗", "✓✗", "old readers take strings alone"},
		{"null is written as an alternative", `{"type": ["string", "null"]}`, `{"oneOf": [{"type": "null"}, {"type": "string"}]}`, "✓✓", "✓✓", "no value is of both, so oneOf is anyOf"},
		{"alternatives that overlap are exclusive", `{"anyOf": [{"minimum": 1}, {"maximum": 5}]}`, `{"oneOf": [{"minimum": 1}, {"maximum": 5}]}`, "??", "??", "oneOf is judged only where no value has the type of two alternatives"},
		{"a bound is split into two alternatives", `{"type": "integer", "minimum": 0}`, `{"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "integer", "minimum": 10}]}`, "?✓", "?✓", "that alternatives together take everything is not judged"},
		{"a bound is moved into an allOf", `{"type": "integer", "minimum": 0}`, `{"type": "integer", "allOf": [{"minimum": 0}]}`, "✓?", "✓?", "each of a reader's parts is asked; what a writer's parts mean together is not judged"},
		{"something is forbidden by a not", `{"type": "string"}`, `{"type": "string", "not": {"const": "x"}}`, "?✓", "?✓", "not is not judged; at the writer it only narrows"},
		{"a not stays beside a change that widens", `{"type": "integer", "minimum": 0, "not": {"const": 0}}`, `{"type": "integer", "not": {"const": 0}}`, "✓?", "✓?", "the same not forbids the same; whether it forbids just what the old version refuses is not judged"},
	}},
	{"What is written otherwise, or elsewhere", field, []change{
		{"a description, a title and an example change", `{"type": "string", "description": "a", "title": "b", "examples": ["c"]}`, `{"type": "string", "description": "d", "default": "e"}`, "✓✓", "✓✓", "they decide nothing"},
		{"a schema is replaced by a reference to it", `{"type": "object", "required": ["amount", "currency"], "properties": {"amount": {"type": "integer", "minimum": 0}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}}`, `{"$ref": "common.v1.json#/$defs/Money"}`, "✓✓", "✓✓", "references are followed first"},
		{"what is referred to is narrowed beside the reference", `{"$ref": "common.v1.json#/$defs/Reason"}`, `{"$ref": "common.v1.json#/$defs/Reason", "maxLength": 10}`, "✗✓", "✗✓", "a reader keeps the reference and what stands beside it"},
		{"a note of one's own is added", `{"type": "string"}`, `{"type": "string", "x-owner": "order"}`, "✓✓", "✓✓", "x-… decides nothing"},
		{"a keyword that is not judged stays as it is", `{"type": "array", "uniqueItems": true}`, `{"type": "array", "uniqueItems": true, "description": "a set"}`, "✓✓", "✓✓", "the two are the same"},
	}},
}
