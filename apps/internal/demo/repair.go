package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// repairRefund is what the gateway's people and ours do once an order needs attention: the gateway recovers, and an
// operator has the refund asked for again.
func repairRefund(ctx context.Context, s *Stage, event events.Event) error {
	if _, resolved := event.(events.IncidentResolved); resolved {
		return s.gatewayFaults(ctx, gateway.Faults{}) // whoever tries the card after the scenes meets it as it is described
	}
	opened, is := event.(events.IncidentOpened)
	if !is {
		return nil
	}
	if err := s.needsAttention(ctx, opened.OrderID); err != nil {
		return err
	}
	if err := s.gatewayFaults(ctx, gateway.Faults{RefundRefusals: "never"}); err != nil {
		return err
	}
	if err := s.retry(ctx, opened); err != nil {
		return err
	}
	s.screen.Note(opened.OrderID, time.Now(), events.Payment,
		"the gateway has recovered; an operator tries again: sagactl incidents retry "+opened.IncidentID)
	return nil
}

// needsAttention waits until the order shows its incident.
func (s *Stage) needsAttention(ctx context.Context, orderID string) error {
	for {
		o, err := s.shop.Get(ctx, orderID)
		if err != nil || o.Status == api.NEEDSATTENTION {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("order %s is %s and needs no attention: %w", orderID, o.Status, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Stage) gatewayFaults(ctx context.Context, f gateway.Faults) error {
	return s.where.AskAdmin(ctx, endpoints.AdminRequest{Process: endpoints.Gateway, Method: http.MethodPut,
		Path: "/faults", Body: f}, nil)
}

// retry does what the incident shows as possible, for the state that it shows.
func (s *Stage) retry(ctx context.Context, opened events.IncidentOpened) error {
	path := "/incidents/" + opened.IncidentID
	var seen struct {
		State struct {
			State        string `json:"state"`
			RefundNumber int    `json:"refund_number"`
		} `json:"state"`
	}
	if err := s.where.AskAdmin(ctx, endpoints.AdminRequest{Process: opened.Service, Method: http.MethodGet, Path: path},
		&seen); err != nil {
		return err
	}
	return s.where.AskAdmin(ctx, endpoints.AdminRequest{
		Process: opened.Service, Method: http.MethodPost, Path: path + "/retry", Key: "demo-" + opened.IncidentID,
		Body: map[string]any{
			"by": "the demo's operator", "why": "the gateway gives refunds again",
			"expected_state": seen.State.State, "expected_refund_number": seen.State.RefundNumber,
		},
	}, nil)
}
