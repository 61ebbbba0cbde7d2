package ambassador

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// maxBuffered is how much of an answer belongs to the try. The answers to charges and refunds are far
// smaller, so one that breaks off in the middle is a failed try and never reaches the client half. What is
// longer, a whole ledger, is passed on as it comes.
const maxBuffered = 1 << 20

// send is one try, bounded in time until the answer, or its first megabyte, is there. Sent is how many requests the
// gateway may have got: when a connection dies Go's transport sends a request without a body again by itself, if it is
// a GET or has an Idempotency-Key.
func (t *transport) send(r *http.Request, body []byte, e *endpoint) (response *http.Response, sent int, err error) {
	ctx, cancel := context.WithCancelCause(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent++ }, // called by RoundTrip itself, once for each request
	}))
	timer := time.AfterFunc(t.tryTimeout, func() { cancel(errTryTimeout) })
	defer timer.Stop()

	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = e.url.Scheme, e.url.Host, ""
	out.Body, out.ContentLength = http.NoBody, 0
	if len(body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	out.GetBody = nil // a request with a body is sent once: the transport cannot rewind it

	response, err = t.traced.RoundTrip(out)
	if err == nil {
		err = buffer(response, func() { cancel(nil) })
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errTryTimeout) {
			err = errTryTimeout
		}
		cancel(nil)
		return nil, sent, err
	}
	return response, sent, nil
}

// buffer reads the answer as far as it belongs to the try; done is called when the rest has been read too.
func buffer(response *http.Response, done func()) error {
	head, err := io.ReadAll(io.LimitReader(response.Body, maxBuffered))
	if err != nil {
		response.Body.Close()
		return err
	}
	if len(head) == maxBuffered {
		response.Body = &rest{io.MultiReader(bytes.NewReader(head), response.Body), response.Body, done}
		return nil
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(head))
	done()
	return nil
}

// rest is the body of an answer that was too long to be buffered.
type rest struct {
	io.Reader
	body io.Closer
	done func()
}

// Close ends the try.
func (r *rest) Close() error {
	defer r.done()
	return r.body.Close()
}
