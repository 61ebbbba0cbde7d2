// Package api is the order service's HTTP contract: generated from openapi.yaml, which comes first.
package api

//go:generate oapi-codegen --config=config.yaml openapi.yaml
//go:generate buf generate
