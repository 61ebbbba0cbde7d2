package mailbox_test

import (
	"testing"
	"time"

	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/testkit"
)

func TestAPausedServiceHearsNothingUntilItGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stop := w.start()
	w.send(1)
	w.eventually(1, "the first to take effect", `SELECT count(*) FROM effect`)

	if err := m.Pause(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	w.send(3)
	waiting := func() mailbox.Hearing {
		hearing, err := m.Hearing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return hearing
	}
	testkit.Eventually(t, within, "three events to wait", func() bool { return waiting().Waiting == 3 })
	if left := waiting().PausedFor; left <= 0 || left > time.Minute {
		t.Errorf("it is paused for %v", left)
	}
	if err := m.Ready(t.Context()); err != nil {
		t.Errorf("who is paused can still take requests, and is not ready: %v", err)
	}
	w.provision() // what keeps the consumers as they should be leaves a pause alone
	stop()
	m, _ = w.start() // and so does a restart
	if left := waiting().PausedFor; left <= 0 {
		t.Error("the pause did not outlast the process")
	}
	w.eventually(1, "the paused ones to wait", `SELECT count(*) FROM effect`)

	if err := m.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(4, "the others to take effect", `SELECT count(*) FROM effect`)
	if hearing := waiting(); hearing != (mailbox.Hearing{}) {
		t.Errorf("after it went on: %+v", hearing)
	}
}

func TestAPauseEndsByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, _ := w.start()
	if err := m.Pause(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	w.send(1)
	w.eventually(1, "it to be heard after the pause", `SELECT count(*) FROM effect`)
}
