// Package conformance lets other programs take the place of a service, and has them checked by sagactl conformance.
package conformance
