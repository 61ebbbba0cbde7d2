package charge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/tracing"
)

// maxAnswer is how much of an answer is read: a page of the ledger is a few hundred kilobytes.
const maxAnswer = 4 << 20

// Gateway is the card gateway as payment sees it: an address, and answers of which it believes only what it
// has checked. Every method is one request; whether and when to send another is the caller's to decide.
type Gateway struct {
	url     string
	timeout time.Duration // for one request
	client  *http.Client
	faults  *failpoint.Set
}

// NewGateway opens no connection before it is used.
func NewGateway(s Settings, faults *failpoint.Set) *Gateway {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the ambassador is the only way out
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = s.Concurrency+1, s.Concurrency+1
	return &Gateway{s.GatewayURL, s.GatewayTimeout, &http.Client{Transport: tracing.Client(transport)}, faults}
}

// Close closes the connections that are not in use.
func (g *Gateway) Close() { g.client.CloseIdleConnections() }

// Charge asks for the money. A 201 and a 402 about exactly what was asked are definite; everything
// else may or may not have moved money.
func (g *Gateway) Charge(ctx context.Context, p Payment) Outcome {
	if err := g.faults.At(ctx, failpoint.GatewayBeforeCharge, p.OrderID); err != nil {
		return Outcome{Reason: err.Error()}
	}
	sent := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		_ = g.faults.At(ctx, failpoint.GatewayChargeSent, p.OrderID) // what was sent cannot fail any more, only crash or wait
	}})
	got, err := g.post(sent, p, "/v1/charges", p.ChargeKey, map[string]any{
		"merchant_reference": p.Reference(), "amount": p.Amount, "currency": p.Currency, "payment_method": p.PaymentMethod,
	})
	if err == nil {
		err = g.faults.At(ctx, failpoint.GatewayAfterCharge, p.OrderID)
	}
	return p.classify(got, err, "declined", p.Amount)
}

// Refund asks for the money to be returned.
func (g *Gateway) Refund(ctx context.Context, p Payment) Outcome {
	if err := g.faults.At(ctx, failpoint.GatewayBeforeRefund, p.OrderID); err != nil {
		return Outcome{Reason: err.Error()}
	}
	got, err := g.post(ctx, p, "/v1/refunds", p.refundKey(), map[string]any{
		"charge_id": p.ChargeID, "amount": p.RefundAmount, "currency": p.Currency,
	})
	if err == nil {
		err = g.faults.At(ctx, failpoint.GatewayAfterRefund, p.OrderID)
	}
	return p.classify(got, err, "refused", p.RefundAmount)
}

// LookUp is what the gateway has captured under a merchant reference, with the refunds.
func (g *Gateway) LookUp(ctx context.Context, p Payment) ([]GatewayResponse, error) {
	var found struct {
		Charges []GatewayResponse `json:"charges"`
	}
	if err := g.faults.At(ctx, failpoint.GatewayBeforeLookup, p.OrderID); err != nil {
		return nil, err
	}
	if err := g.get(ctx, "/v1/charges?merchant_reference="+url.QueryEscape(p.Reference()), &found); err != nil {
		return nil, err
	}
	// An answer without a list is of something on the way: it does not mean that there is no charge.
	still := func(charge GatewayResponse) bool { return !charge.moved() }
	if found.Charges == nil || slices.ContainsFunc(found.Charges, still) {
		return nil, errUnreadable
	}
	return found.Charges, g.faults.At(ctx, failpoint.GatewayAfterLookup, p.OrderID)
}

// LedgerEntry is a line of the gateway's ledger.
type LedgerEntry struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Reference string `json:"merchant_reference"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
}

// Ledger reads up to limit lines of the gateway's ledger after so many. It also returns how many there are up
// to here, which is less than after when the gateway's ledger is not the one that was read before.
func (g *Gateway) Ledger(ctx context.Context, after int64, limit int) ([]LedgerEntry, int64, error) {
	var page struct {
		Entries []LedgerEntry `json:"entries"`
		Next    int64         `json:"next"`
	}
	err := g.get(ctx, "/ledger?after="+strconv.FormatInt(after, 10)+"&limit="+strconv.Itoa(limit), &page)
	if err == nil && page.Entries == nil {
		err = errUnreadable
	}
	return page.Entries, page.Next, err
}

// post sends a request that moves money, under the key that makes sending it twice harmless. (Go's own
// client may repeat it on a connection that has gone stale, because it carries an Idempotency-Key.)
func (g *Gateway) post(ctx context.Context, p Payment, path, key string, request map[string]any) (answer, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer{}, fmt.Errorf("encode a request: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	if p.Cause.TraceParent != "" {
		header.Set("traceparent", p.Cause.TraceParent)
	}
	return g.do(ctx, http.MethodPost, path, bytes.NewReader(body), header)
}

func (g *Gateway) get(ctx context.Context, path string, into any) error {
	got, err := g.do(ctx, http.MethodGet, path, http.NoBody, nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("the gateway answered %d", got.status)
	}
	if got.mediaType() != "application/json" || json.Unmarshal(got.body, into) != nil {
		return errUnreadable
	}
	return nil
}

var errUnreadable = errors.New("the gateway's answer could not be read")

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	sent   int // how often our client has begun to send the request, each time on a connection of its own
}

// mediaType is what the answer is; empty when it does not say, or says it twice.
func (a answer) mediaType() string {
	name, _, err := mime.ParseMediaType(strings.Join(a.header.Values("Content-Type"), ","))
	if err != nil {
		return ""
	}
	return name
}

// do sends one request and reads the whole answer. Its errors are shown to operators, so they have what is
// known and no addresses.
func (g *Gateway) do(ctx context.Context, method, path string, body io.Reader, header http.Header) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	sent := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent++ }})
	request, err := http.NewRequestWithContext(ctx, method, g.url+path, body)
	if err != nil {
		return answer{}, fmt.Errorf("make a request: %w", err)
	}
	request.Header = header
	response, err := g.client.Do(request)
	if err != nil {
		return answer{}, unanswered(ctx)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, unanswered(ctx)
	}
	return answer{response.StatusCode, response.Header, text, sent}, nil
}

func unanswered(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("the gateway did not answer in time")
	}
	return errors.New("the gateway could not be reached, or broke off its answer")
}
