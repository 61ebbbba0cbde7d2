// Package api is the card gateway's HTTP API, generated from openapi.yaml: the types, the server's
// interface, and the client that payment uses.
package api

//go:generate oapi-codegen -config config.yaml openapi.yaml
