package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"

	"example.com/ordersaga/internal/failpoint"
)

// maxAnswer is how much of an answer is read: a page of the ledger is a few hundred kilobytes.
const maxAnswer = 4 << 20

// gateway is the card gateway as payment sees it: an address, and answers of which it believes only what it
// has checked. Every method is one request; whether and when to ask again is the caller's to decide.
type gateway struct {
	url     string
	timeout time.Duration // for one request
	client  *http.Client
	faults  *failpoint.Set
}

func newGateway(s Settings, faults *failpoint.Set) *gateway {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the ambassador is the only way out
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = s.Concurrency+1, s.Concurrency+1
	return &gateway{s.GatewayURL, s.GatewayTimeout, &http.Client{Transport: transport}, faults}
}

// charge asks for the money. A 201 and a 402 that say exactly what was asked are definite; everything
// else may or may not have moved money.
func (g *gateway) charge(ctx context.Context, c Claim) Answer {
	if err := g.faults.At(ctx, failpoint.GatewayBeforeCharge, c.OrderID); err != nil {
		return Answer{Reason: err.Error()}
	}
	sent := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		_ = g.faults.At(ctx, failpoint.GatewayChargeSent, c.OrderID) // what was sent cannot fail any more, only crash or wait
	}})
	status, body, err := g.post(sent, c, "/v1/charges", c.ChargeKey, map[string]any{
		"merchant_reference": c.Reference(), "amount": c.Amount, "currency": c.Currency, "payment_method": c.PaymentMethod,
	})
	if err == nil {
		err = g.faults.At(ctx, failpoint.GatewayAfterCharge, c.OrderID)
	}
	return c.judge(status, body, err, "declined", c.Amount)
}

// refund asks for the money to be given back.
func (g *gateway) refund(ctx context.Context, c Claim) Answer {
	if err := g.faults.At(ctx, failpoint.GatewayBeforeRefund, c.OrderID); err != nil {
		return Answer{Reason: err.Error()}
	}
	status, body, err := g.post(ctx, c, "/v1/refunds", c.refundKey(), map[string]any{
		"charge_id": c.ChargeID, "amount": c.RefundAmount, "currency": c.Currency,
	})
	if err == nil {
		err = g.faults.At(ctx, failpoint.GatewayAfterRefund, c.OrderID)
	}
	return c.judge(status, body, err, "refused", c.RefundAmount)
}

// lookUp is what the gateway has captured under a merchant reference, with the refunds.
func (g *gateway) lookUp(ctx context.Context, c Claim) ([]said, error) {
	var found struct {
		Charges []said `json:"charges"`
	}
	if err := g.faults.At(ctx, failpoint.GatewayBeforeLookup, c.OrderID); err != nil {
		return nil, err
	}
	if err := g.get(ctx, "/v1/charges?merchant_reference="+url.QueryEscape(c.Reference()), &found); err != nil {
		return nil, err
	}
	return found.Charges, g.faults.At(ctx, failpoint.GatewayAfterLookup, c.OrderID)
}

// entry is a line of the gateway's ledger.
type entry struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Reference string `json:"merchant_reference"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
}

// ledger reads up to limit lines of the gateway's ledger after so many. It also says how many there are up
// to here, which is less than after when the gateway's ledger is not the one that was read before.
func (g *gateway) ledger(ctx context.Context, after int64, limit int) ([]entry, int64, error) {
	var page struct {
		Entries []entry `json:"entries"`
		Next    int64   `json:"next"`
	}
	err := g.get(ctx, "/ledger?after="+strconv.FormatInt(after, 10)+"&limit="+strconv.Itoa(limit), &page)
	return page.Entries, page.Next, err
}

// post sends a request that moves money, under the key that makes sending it again harmless. (Go's own
// client may repeat it once on a connection that has gone stale, because it carries an Idempotency-Key.)
func (g *gateway) post(ctx context.Context, c Claim, path, key string, request map[string]any) (int, []byte, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return 0, nil, fmt.Errorf("encode a request: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	if c.TraceParent != "" {
		header.Set("traceparent", c.TraceParent)
	}
	return g.do(ctx, http.MethodPost, path, bytes.NewReader(body), header)
}

func (g *gateway) get(ctx context.Context, path string, into any) error {
	status, body, err := g.do(ctx, http.MethodGet, path, http.NoBody, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the gateway answered %d", status)
	}
	if json.Unmarshal(body, into) != nil {
		return errors.New("the gateway's answer could not be read")
	}
	return nil
}

// do sends one request and reads the whole answer. Its errors are shown to operators, so they say what is
// known and no addresses.
func (g *gateway) do(ctx context.Context, method, path string, body io.Reader,
	header http.Header) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, g.url+path, body)
	if err != nil {
		return 0, nil, fmt.Errorf("make a request: %w", err)
	}
	request.Header = header
	response, err := g.client.Do(request)
	if err != nil {
		return 0, nil, unanswered(ctx)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, unanswered(ctx)
	}
	return response.StatusCode, answer, nil
}

func unanswered(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("the gateway did not answer in time")
	}
	return errors.New("the gateway could not be reached, or broke off its answer")
}
