package sagas

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

const (
	// frame is the shortest time between two updates of a page: often enough for the eye, and under load one update
	// has many sagas.
	frame = 30 * time.Millisecond
	// maxRows is how many sagas one update has at most: some 400 kB.
	maxRows = 1000
)

// Row is a saga as a page gets it.
type Row struct {
	Order     string                               `json:"order"`
	First     uint64                               `json:"first"` // the sequences of its first and its last event
	Last      uint64                               `json:"last"`
	State     sagaview.State                       `json:"state"`
	Step      string                               `json:"step"` // the last event
	What      string                               `json:"what"`
	Why       string                               `json:"why,omitempty"` // it was cancelled, or a person is needed
	Services  map[events.Service]sagaview.Progress `json:"services"`
	Incidents int                                  `json:"incidents"` // that are open
	Began     time.Time                            `json:"began"`
	At        time.Time                            `json:"at"`
}

// Update is what has changed on the board since a sequence.
type Update struct {
	Reset   bool   `json:"reset"`   // drop what was shown: these are all
	Current bool   `json:"current"` // false: the broker does not answer, or the stream is not read to its end yet
	More    bool   `json:"more"`    // another update follows at once
	Sagas   []Row  `json:"sagas"`
	To      uint64 `json:"to"` // the sequence to continue from
}

// watch sends updates to a page until it leaves. A page that comes back names the sequence of its last update.
func (b *Board) watch(w http.ResponseWriter, r *http.Request) {
	sequence, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // without a valid one everything is sent
	defer b.Visit()()
	send := httpx.Stream(w)
	for ctx := r.Context(); ; {
		update, changed := b.since(sequence, r.URL.Query().Get("order"))
		if send(fmt.Sprintf("id: %d\nevent: sagas\n", update.To), update) != nil {
			return
		}
		sequence = update.To
		if update.More {
			continue
		}
		if !loop.Rest(ctx, httpx.Heartbeat, changed) || !loop.Rest(ctx, frame, nil) {
			return
		}
	}
}

// since is what has changed after a sequence, of one order or of all, and a channel that is closed with the next
// change. A sequence that the board has not reached is from a stream that is gone, so everything is sent.
func (b *Board) since(sequence uint64, order string) (Update, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := Update{Current: b.current, Reset: sequence == 0 || sequence >= b.next, Sagas: []Row{}, To: sequence}
	if !b.complete { // its oldest sagas would come first, and each of them once for every event
		return Update{Sagas: u.Sagas, To: sequence}, b.changed
	}
	if u.Reset {
		u.To = 0
	}
	known := u.To
	from := b.byChange.Back()
	for from != nil && from.Prev() != nil && from.Prev().Value.(*saga).last > known {
		from = from.Prev()
	}
	for e := from; e != nil && len(u.Sagas) < maxRows; e = e.Next() {
		s := e.Value.(*saga)
		if s.last > known && (order == "" || s.order == order) {
			u.Sagas = append(u.Sagas, s.row())
		}
		u.To, u.More = max(u.To, s.last), e.Next() != nil
	}
	return u, b.changed
}

func (s *saga) row() Row {
	services := maps.Clone(s.Services)
	return Row{s.order, s.first, s.last, s.State, s.step, s.what, s.why, services, len(s.Incidents), s.began, s.at}
}
