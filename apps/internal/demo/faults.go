package demo

import (
	"context"
	"net/http"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

// arm arms a fault in a service.
func (s *Stage) arm(ctx context.Context, service events.Service, f failpoint.Fault) error {
	return s.where.AskAdmin(ctx, endpoints.AdminRequest{
		Process: string(service), Method: http.MethodPost, Path: "/faults",
		Body: failpoint.Armament{Point: f.Point, Kind: f.Kind},
	}, nil)
}

// holding reports whether something waits at a fault of the service.
func (s *Stage) holding(ctx context.Context, service events.Service) (bool, error) {
	var list struct {
		Faults []failpoint.Armament `json:"faults"`
	}
	err := s.where.AskAdmin(ctx, endpoints.AdminRequest{Process: string(service), Method: http.MethodGet, Path: "/faults"},
		&list)
	for _, f := range list.Faults {
		if f.Holding > 0 {
			return true, err
		}
	}
	return false, err
}
