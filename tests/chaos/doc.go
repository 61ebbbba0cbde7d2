// Package chaos runs the whole system under load while a seeded schedule breaks it, then heals it and has
// every invariant verified.
package chaos
