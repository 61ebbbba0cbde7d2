// Package fault is how a crash, an error or a delay is made to happen at a named point of the code.
package fault

import "context"

// Point is a named place where a fault can be made to happen.
type Point string

// Set is what is armed in one process. A nil Set never fires.
type Set struct{}

// At does whatever is armed at the point, if it is armed for one of these orders or for any.
// It returns the armed error, or nil.
func (s *Set) At(ctx context.Context, p Point, orders ...string) error { return nil }
