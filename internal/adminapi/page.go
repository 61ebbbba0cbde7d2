package adminapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/problem"
)

// most is how many a request for a list gets at most; fewLetters how many dead letters where it gives no limit.
const (
	most       = 500
	fewLetters = 50
)

// lastID is greater than every id.
const lastID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// page is a part of a list that is newest first: the first items, or those behind one that was seen. Time and id of
// that one are its place in the list of any service, so that one cursor serves for all of them.
type page struct {
	open  *bool // nil: either way
	limit int
	since *time.Time
	id    *uuid.UUID
}

// readPage reads a page's parameters: open, limit, and after, which is the next of the page before.
func readPage(query url.Values, limit int) (p page, err error) {
	p.limit = limit
	bad := func(detail string) (page, error) { return page{}, problem.New(http.StatusBadRequest, detail) }
	switch query.Get("open") {
	case "":
	case "true", "false":
		p.open = new(query.Get("open") == "true")
	default:
		return bad("open is true or false.")
	}
	if n := query.Get("limit"); n != "" {
		if p.limit, err = strconv.Atoi(n); err != nil || p.limit < 1 || p.limit > most {
			return bad(fmt.Sprintf("limit is 1 to %d.", most))
		}
	}
	if seen := query.Get("after"); seen != "" {
		at, id, _ := strings.Cut(seen, "_")
		since, noTime := time.Parse(time.RFC3339Nano, at)
		key, noID := uuid.Parse(id)
		if noTime != nil || noID != nil {
			return bad("after is the next of the page before.")
		}
		p.since, p.id = &since, &key
	}
	return p, nil
}

// Cursor is the place of an item in a list that is newest first; of two, the greater one is the newer item's.
func Cursor(since time.Time, id string) string {
	return since.UTC().Format("2006-01-02T15:04:05.000000Z") + "_" + id
}

// Cut makes a page of a list that has one item more if it is not the last. Next is where the following one begins.
func Cut[T any](list []T, limit int, place func(T) string) (page []T, next *string) {
	if len(list) <= limit {
		return append([]T{}, list...), nil
	}
	return list[:limit], new(place(list[limit-1]))
}
