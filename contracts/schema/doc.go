// Package schema checks payloads against JSON Schemas (2020-12), and new versions of a schema against earlier ones.
//
// # One question
//
// Can a reader who follows one schema read everything that a writer may write who follows another? [Compare] answers
// it for one direction, with one of three words:
//
//   - compatible: the rules below show that the reader's schema allows every value of the writer's;
//   - incompatible: there is a value that the writer's allows and the reader's does not, and the reason names the
//     field and the value, or what kind of value it is;
//   - cannot judge: neither could be shown. For a gate that is a no, for a person it is a question.
//
// The answer compatible is never wrong: what is not understood is not judged. It may call incompatible what
// a writer could not really send, where a schema contradicts itself by a pattern or a format that no string satisfies.
//
// [Check] asks the question in the directions and toward the versions that a [Mode] names. BACKWARD: the new schema
// reads, the old one wrote. FORWARD: the old one reads, the new one writes. FULL: both. TRANSITIVE: with every version.
//
// # The rules
//
//	the writer's schema            the reader takes it if
//	─────────────────────────────  ──────────────────────────────────────────────────────────────────────────────
//	the same, whatever is in it    always; titles, descriptions, examples and defaults do not count
//	false, or bounds that exclude  always: there is nothing to read
//	const, enum                    it accepts each of the values; they are tried
//	type                           it takes each of the types; integer is a number, number is not an integer
//	minimum, maximum, exclusive…   its own are not narrower; between integers "at least 0.5" is "at least 1"
//	minLength, maxLength           its own are not narrower
//	minItems, maxItems             its own are not narrower
//	pattern, format                it has the same text, or none; else examples may show a no, never a yes
//	items                          it takes the items, if there can be any
//	required                       whatever it requires, the writer requires as well
//	properties                     it takes each of them, and each of its own that the writer may send undeclared
//	additionalProperties           it takes whatever may come undeclared
//	anyOf                          it takes each of the writer's; one of the reader's takes all that is of one type
//	oneOf                          as anyOf, if no value is of two of them by its type; else only the same is judged
//	allOf                          it takes what one of the writer's allows; each of the reader's is asked
//	$ref                           it takes what it leads to, in other documents too
//	anything else of 2020-12       not judged at the reader, unless both have the same; at the writer it only narrows
//
// # Open and closed
//
// A schema without additionalProperties is open: by its word, properties that it does not mention may be there and may
// be anything. [Strict] takes that word: then a reader may not give a type to a property that the writer has not
// declared, since it may have been in use with another one. [Lenient] takes it that writers send what they declare, as
// services do whose messages are made from a type; a schema without properties declares nothing, so there anything may
// come all the same. A schema with additionalProperties: false is closed in both.
//
//	change of the reader's schema                    Lenient      Strict, open     Strict, closed
//	───────────────────────────────────────────────  ───────────  ───────────────  ───────────────
//	an optional property with a type is added        compatible   incompatible     compatible
//	an optional property is taken away, reader open  compatible   compatible       compatible
//	the same, reader closed                          incompatible incompatible     incompatible
//
// # The subset
//
// A schema may use the keywords of 2020-12, but not those that name places or vocabularies ($anchor, $dynamicRef,
// $vocabulary, an $id inside), no keyword that 2020-12 does not have, except x-…, and no reference that leads back to
// itself; [Parse] refuses these. A keyword in it that is not in the table is checked in payloads and is not judged.
// Lengths count characters, patterns are Go's, and formats are asserted.
package schema
