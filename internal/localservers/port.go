package localservers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that the kernel hands out to outgoing connections (32768 and up
// on Linux). From inside that range a server's port could be lost to somebody's connection while the
// server is being restarted, and a client that dials the dead port could even be connected to itself.
const firstPort, lastPort = 10000, 32000

// FreePort is a port of 127.0.0.1 on which nobody listens now.
func FreePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if portIsFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}

func portIsFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// onFreePort runs start with the port that is asked for; where none is, with one that was free a moment ago, and with
// another one when it is taken before start could.
func onFreePort(port *int, start func() error) error {
	if *port != 0 {
		return start()
	}
	for attempt := 1; ; attempt++ {
		free, err := FreePort()
		if err != nil {
			return err
		}
		*port = free
		if err := start(); err == nil || attempt == 5 || portIsFree(free) {
			return err
		}
	}
}
