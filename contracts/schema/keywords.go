package schema

// form is what stands under a keyword.
type form int

const (
	note  form = iota // something for people, which decides nothing
	value             // a value
	one               // a schema
	list              // schemas in a list
	named             // schemas by name
)

// keywords are those of JSON Schema 2020-12 that may be used. What is not here is refused: a keyword that nobody
// knows checks nothing, so a slip of the pen ("requierd") would pass for a promise.
var keywords = map[string]form{
	"$comment": note, "title": note, "description": note, "default": note, "examples": note, "deprecated": note,
	"readOnly": note, "writeOnly": note, "contentEncoding": note, "contentMediaType": note, "contentSchema": note,

	"type": value, "const": value, "enum": value, "format": value, "pattern": value, "required": value,
	"multipleOf": value,
	"minimum":    value, "maximum": value, "exclusiveMinimum": value, "exclusiveMaximum": value,
	"minLength": value, "maxLength": value, "minItems": value, "maxItems": value, "uniqueItems": value,
	"minProperties": value, "maxProperties": value, "dependentRequired": value, "minContains": value, "maxContains": value,

	"items": one, "additionalProperties": one, "not": one, "if": one, "then": one, "else": one, "contains": one,
	"propertyNames": one, "unevaluatedItems": one, "unevaluatedProperties": one,

	"allOf": list, "anyOf": list, "oneOf": list, "prefixItems": list,

	"properties": named, "patternProperties": named, "dependentSchemas": named, "$defs": named,
}

// judged are the keywords that the comparison understands. The others are checked by Validate, and compared only
// with themselves.
var judged = map[string]bool{
	"type": true, "const": true, "enum": true, "format": true, "pattern": true, "required": true,
	"minimum": true, "maximum": true, "exclusiveMinimum": true, "exclusiveMaximum": true,
	"minLength": true, "maxLength": true, "minItems": true, "maxItems": true,
	"items": true, "properties": true, "additionalProperties": true, "allOf": true, "anyOf": true, "oneOf": true,
}

// refusals are why some keywords are not among those that may be used.
var refusals = map[string]string{
	"$id":            "only the whole schema may have an $id",
	"$schema":        "only the whole schema may name its dialect",
	"$anchor":        "a reference names a place by its path, not by an anchor",
	"$dynamicAnchor": "what a dynamic reference means depends on who asks, so it cannot be judged",
	"$dynamicRef":    "what a dynamic reference means depends on who asks, so it cannot be judged",
	"$vocabulary":    "a schema of an event has no vocabulary of its own",
	"definitions":    "2020-12 calls it $defs",
	"dependencies":   "2020-12 calls it dependentRequired or dependentSchemas",
	"id":             "2020-12 calls it $id",
}
