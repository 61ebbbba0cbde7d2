package sagas

import (
	"maps"
	"time"

	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
)

// Row is a saga as a page gets it.
type Row struct {
	Order     string                               `json:"order"`
	First     uint64                               `json:"first"` // the sequences of its first and its last event
	Last      uint64                               `json:"last"`
	State     sagaview.State                       `json:"state"`
	Step      string                               `json:"step"` // the last event
	What      string                               `json:"what"`
	Services  map[events.Service]sagaview.Progress `json:"services"`
	Incidents int                                  `json:"incidents"` // that are open
	Began     time.Time                            `json:"began"`
	At        time.Time                            `json:"at"`
}

// News is what has changed on the board since a sequence.
type News struct {
	Reset   bool   `json:"reset"`   // forget what was shown: these are all
	Reading bool   `json:"reading"` // the board is kept; otherwise it is as it was when the broker was there last
	More    bool   `json:"more"`    // there is more news already
	Sagas   []Row  `json:"sagas"`
	To      uint64 `json:"to"` // the sequence to go on with
}

// portion is how many sagas are told at once: some 400 kB.
const portion = 1000

// since is what has changed after a sequence, of one order or of all, and a channel that is closed when there is more.
// A sequence that the board has not reached is of a stream that is gone, so everything is told.
func (b *Board) since(sequence uint64, order string) (News, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := News{Reading: b.reading, Reset: sequence == 0 || sequence >= b.next, Sagas: []Row{}, To: sequence}
	if n.Reset {
		n.To = 0
	}
	known := n.To
	from := b.changed.Back()
	for from != nil && from.Prev() != nil && from.Prev().Value.(*saga).last > known {
		from = from.Prev()
	}
	for e := from; e != nil && len(n.Sagas) < portion; e = e.Next() {
		s := e.Value.(*saga)
		if s.last > known && (order == "" || s.order == order) {
			n.Sagas = append(n.Sagas, s.row())
		}
		n.To, n.More = max(n.To, s.last), e.Next() != nil
	}
	return n, b.news
}

func (s *saga) row() Row {
	return Row{s.order, s.first, s.last, s.State, s.step, s.what, maps.Clone(s.Services), len(s.Incidents), s.began, s.at}
}
