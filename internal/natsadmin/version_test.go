package natsadmin_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/testkit"
)

// broker answers as a server of the given version would, as far as connecting goes.
func broker(t *testing.T, version string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprintf(conn, `INFO {"server_id":"a","version":%q,"proto":1,"max_payload":1000}`+"\r\n", version)
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "PING") {
						fmt.Fprint(conn, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return "nats://" + listener.Addr().String()
}

func TestNewEnough_NamesBothVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"2.9.25":  "the broker is nats-server 2.9.25, and 2.11 or newer is needed",
		"2.10.27": "the broker is nats-server 2.10.27, and 2.11 or newer is needed",
		"2.11.0":  "", "2.15.2": "", "2.15.2-RC.1": "", "3.0.0": "",
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			nc, err := natsadmin.Connect(broker(t, version), "order", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { natsadmin.Close(nc) })
			testkit.Eventually(t, 5*time.Second, "connected", nc.IsConnected)
			if err := natsadmin.NewEnough(nc); err == nil && want != "" || err != nil && err.Error() != want {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}
