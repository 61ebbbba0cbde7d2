// Package crash kills the system at every named point of its code, in every kind of saga, with a real
// SIGKILL, and has the invariants verified afterwards.
//
//	make crash-matrix
//
// A combination counts only if the fault really fired: the process that dies writes it down first. Points
// that a kind of saga never passes are listed with the reason (see impossible), and a point that nothing
// passes fails the run. The result is written to docs/reference/failures.md.
package crash
