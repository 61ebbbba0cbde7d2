package failpoint

import (
	_ "embed"
	"regexp"
	"strings"
)

// Point is a named place in the code where a fault can be made to happen.
type Point string

// Every point there is, with what has happened when it is passed. [Points] reads this very table.
const (
	// In every service: one batch through the inbox.
	InboxReceived     Point = "inbox.received"      // a batch is in memory, nothing is stored; duplicate: handled twice
	InboxWritten      Point = "inbox.written"       // the event ids are in the inbox, not committed
	InboxStepped      Point = "inbox.stepped"       // one event's step has run, not committed
	InboxBeforeCommit Point = "inbox.before_commit" // inbox, steps and answers are written, not committed
	InboxAfterCommit  Point = "inbox.after_commit"  // committed, and the broker does not know
	InboxAcked        Point = "inbox.acked"         // acknowledged, perhaps not sent yet
	InboxPoison       Point = "inbox.before_park"   // a message was found to be poison, and no dead letter is stored
	InboxDeadLetter   Point = "inbox.parked"        // the dead letter is committed, and the broker does not know
	InboxOpened       Point = "inbox.opened"        // the durable consumer is open, and nothing has been delivered
	InboxBeforeReturn Point = "inbox.before_return" // the process ends, and what was prefetched is still its own

	// In order, inventory, payment and shipping: from the outbox to the broker.
	OutboxBeforeCommit Point = "outbox.before_commit" // a request's work is done, not committed
	OutboxAfterCommit  Point = "outbox.after_commit"  // a request's work is committed, and nobody was answered
	RelayTaken         Point = "relay.taken"          // rows are read from the outbox, and none is published
	RelayBeforePublish Point = "relay.before_publish" // one event is about to be published; duplicate: it goes out twice
	RelayPublished     Point = "relay.published"      // a window is published, and no acknowledgement was waited for
	RelayAcknowledged  Point = "relay.acknowledged"   // the broker has acknowledged, and no row is marked
	RelayMarked        Point = "relay.marked"         // the acknowledged rows are marked
	RelayBeforeReplay  Point = "relay.before_replay"  // the broker forgot; marks are taken back, not committed
	RelayReplayed      Point = "relay.replayed"       // marks are taken back, and nothing is published again

	// In every service: what is old.
	SweepBeforeDelete Point = "sweep.before_delete" // old rows of the outbox or the inbox are about to be deleted
	SweepDeleted      Point = "sweep.deleted"       // a batch of old rows is deleted

	// In every service: what operators do, each in one transaction with its record.
	RedriveBegun         Point = "redrive.begun"          // a dead letter is locked, and nothing is handled
	RedriveHandled       Point = "redrive.handled"        // a dead letter was redriven, and is still open
	OperatorBeforeCommit Point = "operator.before_commit" // an action and its record are written, not committed
	OperatorCommitted    Point = "operator.committed"     // an action is committed, and the operator was not answered

	// In order: requests that are committed as a group, and what watches over orders.
	IntakeGathered     Point = "intake.gathered"      // a group of requests is about to begin its transaction
	IntakeBeforeCommit Point = "intake.before_commit" // the group's orders are written, not committed
	IntakeAfterCommit  Point = "intake.after_commit"  // the group's orders are committed, and no client was answered
	CancelBeforeCommit Point = "cancel.before_commit" // a customer's cancel is written, not committed
	CancelAfterCommit  Point = "cancel.after_commit"  // a customer's cancel is committed, and the client was not answered
	DeadlineFound      Point = "deadline.found"       // orders beyond their deadline are locked, and nothing is written
	DeadlineCommitted  Point = "deadline.committed"   // their cancels are committed

	// In notification: mails.
	MailBeforeSend Point = "mail.before_send" // a mail is claimed, and nothing of it is sent
	MailSent       Point = "mail.sent"        // the mail server has taken a mail, and nothing is marked
	MailMarked     Point = "mail.marked"      // an attempt's outcome is marked: sent, refused or to be retried

	// In order, inventory and payment: requests with an idempotency key.
	IdempotencyBegun     Point = "idempotency.begun"     // the key is held, and nothing is done
	IdempotencyStored    Point = "idempotency.stored"    // work and answer are written, not committed
	IdempotencyCommitted Point = "idempotency.committed" // committed, and the client was not answered
	IdempotencyReaped    Point = "idempotency.reaped"    // expired keys are deleted

	// In payment: the boundary to the gateway.
	GatewayBeforeClaim  Point = "gateway.before_claim"  // payments are due, and no lease is taken
	GatewayClaimed      Point = "gateway.claimed"       // leases are committed, and no call was made
	GatewayBeforeCharge Point = "gateway.before_charge" // a charge is about to be requested
	GatewayChargeSent   Point = "gateway.charge_sent"   // a charge request has left, and no answer has come
	GatewayAfterCharge  Point = "gateway.after_charge"  // the gateway has answered a charge, and nothing is stored
	GatewayBeforeRefund Point = "gateway.before_refund" // a refund is about to be requested
	GatewayAfterRefund  Point = "gateway.after_refund"  // the gateway has answered a refund, and nothing is stored
	GatewayBeforeLookup Point = "gateway.before_lookup" // an unknown charge is about to be looked up
	GatewayAfterLookup  Point = "gateway.after_lookup"  // the gateway has answered what it knows, and nothing is stored
	GatewayBeforeFinish Point = "gateway.before_finish" // outcome and event are written, not committed
	GatewayFinished     Point = "gateway.finished"      // outcome and event are committed

	// In payment: what makes up for what nobody could know.
	ReconcileRead         Point = "reconcile.read"          // the gateway's ledger is read, and nothing is compared
	ReconcileBeforeCommit Point = "reconcile.before_commit" // a difference is booked, not committed
	ReconcileCommitted    Point = "reconcile.committed"     // a difference is booked
)

// Described is a point, what has happened when it is passed, and who passes it.
type Described struct {
	Point    Point    `json:"point"`
	Sentence string   `json:"sentence"`
	Services []string `json:"services,omitempty"` // none: every service
}

//go:embed points.go
var table string

// Points lists every point, in the order of the table.
func Points() []Described {
	line := regexp.MustCompile(`(?m)^\t(?:\w+ +Point = "([^"]+)" +// (.+)|// In ([^:\n]+): .+)$`)
	var all []Described
	var services []string
	for _, match := range line.FindAllStringSubmatch(table, -1) {
		if match[1] == "" { // a heading
			services = named(match[3])
			continue
		}
		sentence := strings.ToUpper(match[2][:1]) + match[2][1:] + "."
		all = append(all, Described{Point(match[1]), sentence, services})
	}
	return all
}

// passing are the services that pass a point; nil: every service.
func passing(at Point) []string {
	for _, p := range Points() {
		if p.Point == at {
			return p.Services
		}
	}
	return nil
}

// named are the services that a heading of the table names.
func named(heading string) []string {
	if heading == "every service" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(heading, " and ", ", "), ", ")
}
