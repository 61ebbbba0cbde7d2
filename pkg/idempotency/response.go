package idempotency

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"example.com/ordersaga/pkg/problem"
)

// Replayed is the header that tells a client that its request had been executed before.
const Replayed = "Idempotency-Replayed"

// retryAfter is what a client is told to wait while its first request is being executed: the shortest
// time that Retry-After can say.
const retryAfter = time.Second

// Response is an answer as it is stored and sent: the same bytes each time.
type Response struct {
	Status int
	Header map[string]string // those that belong to the answer: Content-Type, Location
	Body   []byte
}

// storable tells whether the same request would get the same answer for good. Refused input executed
// nothing, and a server's failure is no answer.
func (r Response) storable() bool {
	refusedInput := []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity}
	return r.Status < http.StatusInternalServerError && !slices.Contains(refusedInput, r.Status)
}

// Write sends an answer; replayed marks one that comes from an earlier execution.
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

// Kind says what is to be done about a request.
type Kind int

// What [Begin] finds out about a request.
const (
	Fresh      Kind = iota + 1 // execute it; this transaction holds the key
	Replay                     // it was executed: answer with the stored response
	OtherBody                  // the key belongs to another request: 422
	InProgress                 // it is being executed elsewhere: 409
)

// Outcome is what [Begin] found out about one request. Response is set for a Replay.
type Outcome struct {
	Kind     Kind
	Response Response
}

// Err is what the client is told when the request is neither to be executed nor replayed.
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
			Detail: "A request with this Idempotency-Key is being executed. Try again with the same key to get its answer.",
		}
	case Fresh, Replay:
	}
	return nil
}
