//go:build crashmatrix

package crash

import "example.com/ordersaga/pkg/fault"

// impossible says why a kind of saga never passes a point of a service.
func impossible(c combination) (reason string, yes bool) {
	outbox := c.point == fault.OutboxBeforeCommit || c.point == fault.OutboxAfterCommit
	refund := c.point == fault.GatewayBeforeRefund || c.point == fault.GatewayAfterRefund
	cancel := c.point == fault.CancelBeforeCommit || c.point == fault.CancelAfterCommit
	switch {
	case cancel && !c.scenario.cancel:
		return "nobody cancels", true
	case refund && (c.scenario.name == "success" || c.scenario.name == "declined"):
		return "nothing is refunded", true
	case outbox && c.service == "shipping":
		return "shipping says nothing but in answer to an event", true
	case c.service == "shipping" && c.scenario.name == "declined" && hearing(c.point):
		return "shipping hears nothing of a declined order", true
	}
	return "", false
}

// hearing reports whether a point is passed only with an event to handle, or to publish.
func hearing(p fault.Point) bool {
	switch p { //nolint:exhaustive // the others are passed without an event
	case fault.InboxReceived, fault.InboxWritten, fault.InboxStepped, fault.InboxBeforeCommit, fault.InboxAfterCommit, fault.InboxAcked,
		fault.RelayTaken, fault.RelayBeforePublish, fault.RelayPublished, fault.RelayAcknowledged, fault.RelayMarked:
		return true
	}
	return false
}
