// Package localservers runs what the system stands on without containers: PostgreSQL and the NATS server as
// child processes of the caller, from the machine's own binaries.
//
// Whatever is started here dies with the process that started it, also when that one is killed (on
// Linux), listens on 127.0.0.1 only, and keeps its data in a directory that the caller names.
//
// The package also holds, once, what a service's database looks like from the outside: its owner, its
// login, the read-only audit login and their limits ([CreateDatabase], roles.sql).
package localservers
