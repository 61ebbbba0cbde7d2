package endpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// AdminRequest is a request to the admin listener of a process.
type AdminRequest struct {
	Process string // order, payment, …
	Method  string
	Path    string
	Body    any    // sent as JSON; nil: none
	Key     string // sent as the Idempotency-Key; empty: none
}

// Refused is an answer of an admin listener that is not the wanted one.
type Refused struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Error is what the process answered.
func (r *Refused) Error() string {
	if r.Detail == "" {
		return fmt.Sprintf("%s (%d)", r.Title, r.Status)
	}
	return fmt.Sprintf("%s (%d)", r.Detail, r.Status)
}

// adminLimit bounds a request; an admin listener does nothing that takes long.
const adminLimit = 10 * time.Second

// AskAdmin makes the request, with the token, and reads the JSON that comes back into the given value,
// unless that is nil. An answer that is not a success is a [Refused].
func (d Description) AskAdmin(ctx context.Context, r AdminRequest, into any) error {
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	var body bytes.Buffer
	if r.Body != nil {
		if err := json.NewEncoder(&body).Encode(r.Body); err != nil {
			return fmt.Errorf("ask %s: %w", r.Process, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, d.Admin[r.Process]+r.Path, &body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.Process, err)
	}
	request.Header.Set("Authorization", "Bearer "+d.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	if r.Key != "" {
		request.Header.Set("Idempotency-Key", r.Key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.Process, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.Process, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		refused := &Refused{Status: response.StatusCode, Title: http.StatusText(response.StatusCode)}
		_ = json.Unmarshal(answer, refused) // a problem document; without one the status must do
		return fmt.Errorf("%s %s of %s: %w", r.Method, r.Path, r.Process, refused)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s of %s: %w", r.Method, r.Path, r.Process, err)
	}
	return nil
}
