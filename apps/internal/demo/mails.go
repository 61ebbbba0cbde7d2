package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/ordersaga/apps/internal/mailsink"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/services/order/api"
)

// customer gets the mails about all orders of the demo.
const customer = "ada@customers.example"

// Mails waits until the mail server has what the customer was to be told: that each order was received, and of
// each that was undone that it is cancelled. What was said cannot be unsaid.
func (s *Stage) Mails(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sceneLimit)
	defer cancel()
	cancelled := 0
	for _, id := range s.placed {
		o, err := s.shop.Get(ctx, id)
		if err != nil {
			return err
		}
		if o.Status == api.CANCELLED {
			cancelled++
		}
	}
	received := len(s.placed)
	for {
		mails, err := s.received(ctx)
		if err != nil {
			return err
		}
		if len(mails) >= received+cancelled {
			fmt.Fprintf(s.out, "%s  %d that an order was received, %d that it is cancelled: %s/messages\n",
				title.Render("Mails"), received, cancelled, s.where.URLs[endpoints.Mail])
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the mail server has %d of %d mails: %w", len(mails), received+cancelled, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// received are the mails that the mail server has about the orders of this stage.
func (s *Stage) received(ctx context.Context) ([]mailsink.Message, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where.URLs[endpoints.Mail]+"/messages", nil)
	if err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	defer response.Body.Close()
	var all struct {
		Messages []mailsink.Message `json:"messages"`
	}
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	return slices.DeleteFunc(all.Messages, func(m mailsink.Message) bool {
		order, _, _ := strings.Cut(m.ID, ".")
		return !slices.Contains(s.placed, order)
	}), nil
}
