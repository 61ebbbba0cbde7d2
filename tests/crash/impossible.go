//go:build crashmatrix

package crash

import "example.com/ordersaga/internal/failpoint"

// impossible says why a kind of saga never passes a point of a service.
func impossible(c combination) (reason string, yes bool) {
	outbox := c.point == failpoint.OutboxBeforeCommit || c.point == failpoint.OutboxAfterCommit
	refund := c.point == failpoint.GatewayBeforeRefund || c.point == failpoint.GatewayAfterRefund
	cancel := c.point == failpoint.CancelBeforeCommit || c.point == failpoint.CancelAfterCommit
	switch {
	case cancel && !c.scenario.cancel:
		return "nobody cancels", true
	case refund && (c.scenario.name == "success" || c.scenario.name == "declined"):
		return "nothing is refunded", true
	case outbox && c.service == "shipping":
		return "shipping publishes nothing but in answer to an event", true
	case c.service == "shipping" && c.scenario.name == "declined" && consuming(c.point):
		return "shipping consumes nothing of a declined order", true
	}
	return "", false
}

// consuming reports whether a point is passed only with an event to handle, or to publish.
func consuming(p failpoint.Point) bool {
	switch p { //nolint:exhaustive // the others are passed without an event
	case failpoint.InboxReceived, failpoint.InboxWritten, failpoint.InboxStepped, failpoint.InboxBeforeCommit, failpoint.InboxAfterCommit, failpoint.InboxAcked,
		failpoint.RelayTaken, failpoint.RelayBeforePublish, failpoint.RelayPublished, failpoint.RelayAcknowledged, failpoint.RelayMarked:
		return true
	}
	return false
}
