package sagas

import (
	"net/http"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/kit"
)

// system is a running system whose every process can be ended, with what only these tests do to it.
type system struct{ *kit.System }

// open starts a system that ends with the test.
func open(t *testing.T, o supervisor.Options) *system {
	t.Helper()
	o.NoFsync = true // no test takes the machine's power
	s := kit.Start(t, o)
	t.Cleanup(func() { s.LogsHaveOneSchema(t) }) // whatever has gone wrong until here
	return &system{s}
}

// hold keeps a service from going beyond a point with an order, until it is released.
func (w *system) hold(t *testing.T, service string, at failpoint.Point, id string) (release func()) {
	t.Helper()
	armed := w.Arm(t, service, failpoint.Armament{Point: at, Kind: failpoint.Hold, Order: id, Times: new(int)})
	return func() {
		t.Helper()
		kit.Must(t, w.At.AskAdmin(t.Context(), endpoints.AdminRequest{
			Process: service, Method: http.MethodDelete, Path: "/faults/" + armed,
		}, nil))
	}
}
