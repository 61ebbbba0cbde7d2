package grpcserver

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	rpccode "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"example.com/ordersaga/pkg/problem"
)

// codesOf are the codes of the problems that HTTP would answer with.
var codesOf = map[int]codes.Code{
	http.StatusBadRequest:          codes.InvalidArgument,
	http.StatusUnprocessableEntity: codes.InvalidArgument,
	http.StatusUnauthorized:        codes.Unauthenticated,
	http.StatusForbidden:           codes.PermissionDenied,
	http.StatusNotFound:            codes.NotFound,
	http.StatusConflict:            codes.FailedPrecondition,
	http.StatusTooManyRequests:     codes.ResourceExhausted,
	http.StatusServiceUnavailable:  codes.Unavailable,
}

// status is an error as a client may see it: the members of the problem (RFC 9457) stand in an ErrorInfo, when to ask
// again in a RetryInfo. What is no problem goes to the log, and the client gets nothing of it.
func (s Server) status(ctx context.Context, method string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the call's time is over")
	case errors.Is(ctx.Err(), context.Canceled):
		return status.Error(codes.Canceled, "the client has left")
	}
	answer, meant := problem.Of(err)
	if !meant {
		s.Log.ErrorContext(ctx, "call failed", "method", method, "error", err)
	}
	code, known := codesOf[answer.Status]
	if !known {
		code = codes.Internal
	}
	title := answer.Title
	if title == "" {
		title = http.StatusText(answer.Status)
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason: rpccode.Code(code).String(), Domain: "ordersaga",
		Metadata: map[string]string{"type": "about:blank", "title": title, "status": strconv.Itoa(answer.Status),
			"detail": answer.Detail},
	}}
	if answer.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(answer.RetryAfter)})
	}
	detailed, err := status.New(code, answer.Detail).WithDetails(details...)
	if err != nil {
		return status.Error(code, answer.Detail) // the details are ours and always fit
	}
	return detailed.Err()
}
