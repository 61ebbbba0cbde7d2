package natsadmin_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/testkit"
)

// slowLog takes its time, and nothing guards what it has written: who reads it must have waited for the writer.
type slowLog struct{ bytes.Buffer }

func (l *slowLog) Write(line []byte) (int, error) {
	<-time.After(50 * time.Millisecond) // slow by nature; the test waits for nothing
	return l.Buffer.Write(line)
}

func TestClose_NothingIsLoggedAfterwards(t *testing.T) {
	t.Parallel()
	var lines slowLog
	broker := testkit.Broker(t)
	nc, err := natsadmin.Connect(broker.URL(natsadmin.Observer), natsadmin.Observer, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(within); err != nil {
		t.Fatal(err)
	}
	natsadmin.Close(nc)
	if got := lines.String(); strings.Count(got, "broker disconnected") != 1 {
		t.Errorf("logged when it was closed: %q", got)
	}
	natsadmin.Close(nc) // again is nothing
}
