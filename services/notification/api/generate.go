// Package api is the notification service's HTTP contract: generated from openapi.yaml, which comes first.
package api

//go:generate oapi-codegen --config=config.yaml openapi.yaml
