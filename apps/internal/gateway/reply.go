package gateway

import (
	"context"
	"net/http"
	"strconv"

	"example.com/ordersaga/pkg/problem"
)

// reply is the answer that stands in the ledger, or what becomes of it on its way to the client.
type reply struct {
	ctx     context.Context // the request's
	outcome outcome
	closing <-chan struct{}
}

// VisitCreateChargeResponse answers a charge.
func (r *reply) VisitCreateChargeResponse(w http.ResponseWriter) error { return r.write(w) }

// VisitCreateRefundResponse answers a refund.
func (r *reply) VisitCreateRefundResponse(w http.ResponseWriter) error { return r.write(w) }

func (r *reply) write(w http.ResponseWriter) error {
	body := r.outcome.answer.Answer
	switch r.outcome.damage {
	case dropped:
		panic(http.ErrAbortHandler) // net/http's way to drop a connection
	case hung:
		hang(r.ctx, r.closing)
	case failed:
		return problem.New(http.StatusInternalServerError, unsure)
	case garbled:
		body = []byte(`{"id":"ch_<html>`)
	case cut:
		r.half(w)
	case intact:
	}
	r.head(w)
	_, err := w.Write(body)
	return err
}

func (r *reply) head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if r.outcome.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(r.outcome.answer.Status)
}

// half sends the first half of the answer and drops the connection.
func (r *reply) half(w http.ResponseWriter) {
	body := r.outcome.answer.Answer
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	r.head(w)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush() // or nothing at all would be sent
	panic(http.ErrAbortHandler)
}
