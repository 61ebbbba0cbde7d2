package ambassador

import "sync"

// budget bounds retries to a share of the requests: each request earns a part of a retry, each retry costs a
// whole one. When everything fails, retries must not become the load that keeps it failing. What was saved while
// all was well pays for the moment in which one of two endpoints dies and half of what is in flight fails
// at once: a bound on what runs concurrently would refuse exactly then.
type budget struct {
	ratio   float64
	reserve float64 // as much as can be saved

	mu    sync.Mutex
	saved float64
}

func newBudget(ratio, reserve float64) *budget {
	return &budget{ratio: ratio, reserve: reserve, saved: reserve}
}

// earn is for every request.
func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saved = min(b.reserve, b.saved+b.ratio)
}

// spend is for every retry, and says whether it may be made.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saved < 1 {
		return false
	}
	b.saved--
	return true
}
