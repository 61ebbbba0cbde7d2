// Package observability tests the alerts and dashboards of deploy/observability with the parser and the rule engine of
// Prometheus itself, without a server.
package observability
