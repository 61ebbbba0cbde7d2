package gateway

import "hash/maphash"

const (
	headBits  = 18      // 1 MiB of heads, however large the ledger is
	chunk     = 1 << 14 // entries that are made at once: a slice that grows would be copied, and be there twice
	placeBits = 44      // of a place in the file, which may have 16 TiB; the other 20 bits are of the name's hash
)

// index finds the places of names, in 12 bytes for each. A place that it finds may be that of another name with the
// same hash, once in some hundred thousand times: whoever reads the record there compares.
type index struct {
	seed   maphash.Seed
	heads  []uint32 // the newest entry of those that share a head, counted from 1
	chunks [][]entry
	n      int
}

// entry is one place of a name.
type entry struct {
	before   uint32 // the entry before it with the same head
	low, top uint32 // the place, and above it bits of the hash
}

func newIndex() index { return index{seed: maphash.MakeSeed(), heads: make([]uint32, 1<<headBits)} }

func (x *index) hash(name string) (head int, rest uint64) {
	sum := maphash.String(x.seed, name)
	return int(sum & (1<<headBits - 1)), sum &^ (1<<placeBits - 1)
}

// entry is the one with a number, counted from 1.
func (x *index) entry(number uint32) *entry { return &x.chunks[(number-1)/chunk][(number-1)%chunk] }

func (x *index) add(name string, place int64) {
	if x.n == len(x.chunks)*chunk {
		x.chunks = append(x.chunks, make([]entry, chunk))
	}
	x.n++
	head, rest := x.hash(name)
	packed := rest | uint64(place)
	*x.entry(uint32(x.n)) = entry{x.heads[head], uint32(packed), uint32(packed >> 32)}
	x.heads[head] = uint32(x.n)
}

// find is the places of a name, the newest first.
func (x *index) find(name string) (places []int64) {
	head, rest := x.hash(name)
	for number := x.heads[head]; number > 0; {
		e := x.entry(number)
		if packed := uint64(e.top)<<32 | uint64(e.low); packed&^(1<<placeBits-1) == rest {
			places = append(places, int64(packed&(1<<placeBits-1)))
		}
		number = e.before
	}
	return places
}

// shrink forgets all but the first n entries.
func (x *index) shrink(n int) {
	for i := range x.heads {
		for x.heads[i] > uint32(n) {
			x.heads[i] = x.entry(x.heads[i]).before
		}
	}
	x.n = n
}
