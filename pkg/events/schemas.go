package events

import "embed"

// Schemas are the JSON Schemas (draft 2020-12) of the events, one file for each version of each event:
// schemas/<event>.v<major>.json, whose name is the $id ([SchemaID]) and what other schemas refer to: so a tool that
// follows files finds them, and one that follows ids. Beside them stand the envelope's and
// what they share. They are open: a field that a schema does not name is allowed, and a reader ignores it.
//
//go:embed schemas/*.json
var Schemas embed.FS

// AsyncAPI is the contract in AsyncAPI 3.1: who publishes and who consumes what. It is written from [Saga].
//
//go:embed asyncapi.yaml
var AsyncAPI []byte

// Examples shows each version of each event as it is on the wire: testdata/<event>.v<major>.json.
//
//go:embed testdata/*.json
var Examples embed.FS
