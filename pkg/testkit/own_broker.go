package testkit

import (
	"testing"

	"example.com/ordersaga/internal/localservers"
)

// Kill ends the broker by SIGKILL. Like everything below it is for an [OwnBroker] only.
func (n *NATS) Kill(t testing.TB) {
	t.Helper()
	n.own(t).Kill()
}

// Stop ends the broker cleanly.
func (n *NATS) Stop(t testing.TB) {
	t.Helper()
	if err := n.own(t).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Start starts the broker again, at the same address and with what it had stored.
func (n *NATS) Start(t testing.TB) {
	t.Helper()
	if err := n.own(t).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Wipe removes everything that the broker had stored, as a lost volume does. The broker has to be down.
func (n *NATS) Wipe(t testing.TB) {
	t.Helper()
	if err := n.own(t).Wipe(); err != nil {
		t.Fatal(err)
	}
}

// Store is the directory in which the broker keeps its files.
func (n *NATS) Store(t testing.TB) string {
	t.Helper()
	return n.own(t).Store()
}

func (n *NATS) own(t testing.TB) *localservers.NATS {
	t.Helper()
	if n.server == nil {
		t.Fatal("only a broker from testkit.OwnBroker can be ended, started and wiped")
	}
	return n.server
}
