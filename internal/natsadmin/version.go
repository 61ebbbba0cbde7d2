package natsadmin

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// oldestMinor is that of nats-server 2.11. Version 2.10 answers a batch of direct gets with one message, and whoever
// reads the stream waits for the rest of them for ever.
const oldestMinor = 11

// NewEnough returns an error when the connection leads to a broker that is too old.
func NewEnough(nc *nats.Conn) error {
	var major, minor int
	version := nc.ConnectedServerVersion() // empty while there is none
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 || major > 2 || minor >= oldestMinor {
		return nil
	}
	return fmt.Errorf("the broker is nats-server %s, and 2.%d or newer is needed", version, oldestMinor)
}
