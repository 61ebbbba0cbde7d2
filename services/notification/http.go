package notification

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/notification/api"
)

// routes is the API. A request that api/openapi.yaml does not allow reaches no handler.
func routes(s server) http.Handler {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err) // the embedded contract is the one that the code was generated from
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpserver.Unreadable,
		ResponseErrorHandlerFunc: problem.Write,
	})
	return httpserver.ValidateRequests(spec)(api.HandlerWithOptions(handlers, api.ChiServerOptions{
		ErrorHandlerFunc: httpserver.Unreadable,
	}))
}

// server answers requests.
type server struct {
	pool *pgxpool.Pool
}

// GetMails answers GET /v1/mails/{order_id}.
func (s server) GetMails(ctx context.Context, r api.GetMailsRequestObject) (api.GetMailsResponseObject, error) {
	mails, err := mailsOf(ctx, s.pool, r.OrderId.String())
	view := api.GetMails200JSONResponse{OrderId: r.OrderId, Mails: make([]api.Mail, 0, len(mails))}
	for _, m := range mails {
		shown := api.Mail{Kind: string(m.Kind), State: api.MailState(m.State), Attempts: m.Attempts,
			CreatedAt: m.CreatedAt.UTC()}
		if m.Problem != "" {
			shown.Problem = &m.Problem
		}
		if m.EndedAt != nil {
			shown.EndedAt = new(m.EndedAt.UTC())
		}
		view.Mails = append(view.Mails, shown)
	}
	return view, err
}
