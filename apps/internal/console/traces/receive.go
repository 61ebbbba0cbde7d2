package traces

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/ordersaga/pkg/problem"
)

const (
	// protobufType is the only encoding of OTLP that is taken: every exporter has it. In OTLP's JSON ids are hexadecimal,
	// which is not what protobuf's JSON has, so it would be a decoder of our own.
	protobufType = "application/x-protobuf"
	// maxBody bounds a request before and after it is inflated. Our exporters send 2,048 spans at once, 1 MB.
	maxBody = 4 << 20
)

// errTooLarge is a body above maxBody.
var errTooLarge = problem.New(http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d bytes", maxBody))

// ServeHTTP is OTLP/HTTP for traces: POST …/v1/traces in protobuf, plain or with gzip. The answer is OTLP's, with the
// number of spans that were refused; a request that cannot be read is refused with a problem document, and exporters do
// not send it again.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(w, r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	answer, err := a.receive(body)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", protobufType)
	w.Write(answer)
}

// receive decodes one request after the other: what one of maxBody becomes in memory would otherwise be there as often
// as there are exporters.
func (a *API) receive(body []byte) (answer []byte, err error) {
	a.ring.decoding.Lock()
	defer a.ring.decoding.Unlock()
	var request collector.ExportTraceServiceRequest
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &request); err != nil {
		return nil, problem.New(http.StatusBadRequest, "the body is no ExportTraceServiceRequest in protobuf")
	}
	var response collector.ExportTraceServiceResponse
	if invalid, tooMany := a.ring.add(request.GetResourceSpans()); invalid+tooMany > 0 {
		response.PartialSuccess = &collector.ExportTracePartialSuccess{
			RejectedSpans: int64(invalid + tooMany),
			ErrorMessage: fmt.Sprintf("%d spans have invalid ids, %d belong to traces of more than %d bytes",
				invalid, tooMany, maxTrace),
		}
	}
	return proto.Marshal(&response)
}

// read is the inflated body. The error is a *[problem.Error].
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != protobufType {
		return nil, problem.New(http.StatusUnsupportedMediaType, "spans are taken as "+protobufType+" (OTLP/HTTP)")
	}
	var from io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		if from, err = gzip.NewReader(from); err != nil {
			return nil, unreadable(err)
		}
	default:
		return nil, problem.New(http.StatusUnsupportedMediaType, "spans are taken as they are, or with gzip")
	}
	body, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, nil
}

func unreadable(err error) error {
	if _, is := errors.AsType[*http.MaxBytesError](err); is {
		return errTooLarge
	}
	return problem.New(http.StatusBadRequest, "the body cannot be read to its end")
}
