package gateway

import (
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/contracts/gateway"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/problem"
)

// adminRoutes is what the gateway's own people can do: switch faults on and off, and move money that no
// client asked for, as it happens when a terminal or an older system is still connected.
func (g *Gateway) adminRoutes() http.Handler {
	router := chi.NewRouter()
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusMethodNotAllowed, "this address does not take this method"))
	})
	router.Get("/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, g.faults.Load()) })
	router.Put("/faults", g.putFaults)
	router.Post("/captures", g.capture)
	return http.MaxBytesHandler(router, httpserver.MaxBody)
}

// putFaults replaces all settings; what is not mentioned is switched off.
func (g *Gateway) putFaults(w http.ResponseWriter, r *http.Request) {
	faults, err := readFaults(w, r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	g.faults.Store(faults)
	g.log.WarnContext(r.Context(), "faults switched", "faults", *faults)
	writeJSON(w, http.StatusOK, faults)
}

var (
	reference = regexp.MustCompile(`^[A-Za-z0-9:._-]{1,100}$`)
	maxAmount = int64(100_000_000_000)
)

// capture charges behind the merchant's back: no key, no request of theirs.
func (g *Gateway) capture(w http.ResponseWriter, r *http.Request) {
	var body struct {
		MerchantReference string `json:"merchant_reference"`
		Amount            int64  `json:"amount"`
		Currency          string `json:"currency"`
	}
	const wanted = "the body is not a JSON object with merchant_reference, amount and currency"
	if err := ijson.ReadBody(w, r, httpserver.MaxBody, &body, wanted); err != nil {
		problem.Write(w, r, err)
		return
	}
	if !reference.MatchString(body.MerchantReference) || body.Amount < 1 || body.Amount > maxAmount ||
		!gateway.Takes(body.Currency) {
		problem.Write(w, r,
			problem.New(http.StatusUnprocessableEntity,
				"merchant_reference, amount or currency has a value that a charge could not have"))
		return
	}
	charge := newCharge(body.MerchantReference, body.Amount, body.Currency)
	_, err := do(r.Context(), g.ledger, func(*book) (bool, *record) { return true, newRecord(charged, keyed{}, charge) })
	if err != nil {
		g.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, charge)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails when the client has left
}
