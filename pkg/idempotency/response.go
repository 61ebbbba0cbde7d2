package idempotency

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"example.com/ordersaga/pkg/problem"
)

// Replayed is the name of the header of a response that was stored by an earlier execution.
const Replayed = "Idempotency-Replayed"

// retryAfter is the wait that a client is asked for while its first request is being executed: the shortest
// time that Retry-After can express.
const retryAfter = time.Second

// Response is stored and sent: the same bytes each time.
type Response struct {
	Status int
	Header map[string]string // those that belong to the body: Content-Type, Location
	Body   []byte
}

// storable is true when the same request would always get the same response. Refused input executed
// nothing, and a failure of the server is not final.
func (r Response) storable() bool {
	refusedInput := []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity}
	return r.Status < http.StatusInternalServerError && !slices.Contains(refusedInput, r.Status)
}

// Write sends a response; replayed marks one that comes from an earlier execution.
func Write(w http.ResponseWriter, response Response, replayed bool) error {
	for name, value := range response.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(response.Body)))
	if replayed {
		w.Header().Set(Replayed, "true")
	}
	w.WriteHeader(response.Status)
	_, err := w.Write(response.Body)
	return err
}

// Kind is what to do about a request.
type Kind int

// The kinds of outcomes.
const (
	Fresh      Kind = iota + 1 // execute it; this transaction holds the key
	Replay                     // it was executed: send the stored response
	OtherBody                  // the key belongs to another request: 422
	InProgress                 // it is being executed elsewhere: 409
)

// Outcome is what [Begin] decided about one request. Response is set for a Replay.
type Outcome struct {
	Kind     Kind
	Response Response
}

// Err is the client's [problem.Error] when the request is neither to be executed nor replayed, otherwise nil.
func (o Outcome) Err() error {
	switch o.Kind {
	case OtherBody:
		return &problem.Error{
			Status: http.StatusUnprocessableEntity, Title: "Idempotency-Key already used",
			Detail: "This Idempotency-Key was used for another request. Use a new key for a new request.",
		}
	case InProgress:
		return &problem.Error{
			Status: http.StatusConflict, Title: "Request in progress", RetryAfter: retryAfter,
			Detail: "A request with this Idempotency-Key is being executed. Retry with the same key to get its response.",
		}
	case Fresh, Replay:
	}
	return nil
}
