// Package sagas tests the whole system: every process as it is built, under its supervisor, with real
// signals. What single mechanisms promise is tested beside them; here it is what a customer sees, and what
// the checker of all invariants says afterwards.
//
// The programs come from bin/ (`make build`), or from where ORDERSAGA_BIN says.
package sagas
