package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
)

// routes is the public listener: the contract's operations, health and metrics.
func (g *Gateway) routes() (http.Handler, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, err
	}
	validated := httpserver.ValidateWithCode(spec, string(api.InvalidRequest))(api.Handler(
		api.NewStrictHandlerWithOptions(&handlers{g.payments, g.operations}, nil, api.StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  func(w http.ResponseWriter, r *http.Request, _ error) { unreadable(w, r) },
			ResponseErrorHandlerFunc: g.fail,
		})))
	router := chi.NewRouter()
	router.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	router.HandleFunc("/readyz", g.ready)
	router.Handle("/metrics", promhttp.HandlerFor(g.metrics, promhttp.HandlerOpts{}))
	router.Handle("/*", received(disturb(&g.faults, g.closing, validated)))
	return router, nil
}

type receivedKey struct{}

// received notes when a request came, before anything can keep it waiting: the in-flight horizon counts
// from here.
func received(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), receivedKey{}, time.Now())))
	})
}

func receivedAt(ctx context.Context) time.Time { return ctx.Value(receivedKey{}).(time.Time) }

// unreadable is the answer to what the contract's validation let pass and the types still cannot hold.
func unreadable(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, refusalOf(http.StatusBadRequest, api.InvalidRequest, "the request cannot be read").problem)
}

// fail answers when something went wrong here. What it was goes to the log and to nobody else.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	if known, ok := errors.AsType[*problem.Error](err); ok {
		problem.Write(w, r, known)
		return
	}
	if r.Context().Err() == nil {
		g.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	problem.Write(w, r, problem.New(http.StatusInternalServerError, unsure))
}

// ready is whether the ledger can be read.
func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if _, err := do(ctx, g.ledger, func(*book) (bool, *record) { return true, nil }); err != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "the ledger cannot be read"))
		return
	}
	w.WriteHeader(http.StatusOK)
}

// handlers are the contract's operations.
type handlers struct {
	payments   *payments
	operations *prometheus.CounterVec
}

// CreateCharge takes money from a card.
func (h *handlers) CreateCharge(ctx context.Context,
	request api.CreateChargeRequestObject) (api.CreateChargeResponseObject, error) {
	key := name("charge", request.Params.IdempotencyKey, request.Body, receivedAt(ctx))
	out, err := h.payments.charge(ctx, key, *request.Body)
	return h.reply(ctx, "charge", out, err)
}

// CreateRefund pays money back.
func (h *handlers) CreateRefund(ctx context.Context,
	request api.CreateRefundRequestObject) (api.CreateRefundResponseObject, error) {
	key := name("refund", request.Params.IdempotencyKey, request.Body, receivedAt(ctx))
	out, err := h.payments.refund(ctx, key, *request.Body)
	return h.reply(ctx, "refund", out, err)
}

// reply counts an outcome and makes the answer of it.
func (h *handlers) reply(ctx context.Context, operation string, out outcome, err error) (*reply, error) {
	status := http.StatusInternalServerError
	switch {
	case err != nil:
	case out.problem != nil:
		status, err = out.problem.Status, out.problem
	default:
		status = out.answer.Status
	}
	h.operations.WithLabelValues(operation, strconv.Itoa(status), strconv.FormatBool(out.replayed)).Inc()
	if err != nil {
		return nil, err
	}
	return &reply{ctx, out, h.payments.closing}, nil
}

// FindCharges looks charges up by the merchant's reference.
func (h *handlers) FindCharges(ctx context.Context,
	request api.FindChargesRequestObject) (api.FindChargesResponseObject, error) {
	found, err := do(ctx, h.payments.ledger, func(b *book) ([]api.Charge,
		*record) {
		return b.find(request.Params.MerchantReference), nil
	})
	return api.FindCharges200JSONResponse{Charges: found}, err
}

// GetCharge is one charge with its refunds.
func (h *handlers) GetCharge(ctx context.Context,
	request api.GetChargeRequestObject) (api.GetChargeResponseObject, error) {
	found, err := do(ctx, h.payments.ledger, func(b *book) (*api.Charge, *record) {
		if a := b.account(request.Id); a != nil {
			return &a.charge, nil
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, refusalOf(http.StatusNotFound, api.UnknownCharge, "there is no charge with this id").problem
	}
	return api.GetCharge200JSONResponse(*found), nil
}

// ReadLedger is every movement of money, or those after the ones that the reader knows.
func (h *handlers) ReadLedger(ctx context.Context,
	request api.ReadLedgerRequestObject) (api.ReadLedgerResponseObject, error) {
	after, limit := 0, math.MaxInt
	if request.Params.After != nil {
		after = *request.Params.After
	}
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	return do(ctx, h.payments.ledger, func(b *book) (page, *record) { return b.page(after, limit), nil })
}
