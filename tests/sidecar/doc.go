// Package sidecar runs the system with a telemetry sidecar beside each service, and changes, kills and misconfigures the
// sidecars while sagas run: `make check-sidecar`.
package sidecar
