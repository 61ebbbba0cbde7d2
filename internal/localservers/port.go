package localservers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports are taken from below the range that the kernel hands out to outgoing connections (32768 and up
// on Linux). From inside that range a server's port could be lost to somebody's connection while the
// server is being restarted, and a client that dials the dead port could even be connected to itself.
const firstPort, lastPort = 10000, 32000

// FreePort is a port of 127.0.0.1 on which nobody listens now. Until this process ends it is given to nobody else who
// asks here, in any process: a server that is being restarted finds its port again.
func FreePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if Reserve(port) && portIsFree(port) { // a look takes the port for a moment, so nobody looks at another one's
			return port, nil
		}
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}

// reserved keeps the locked files open: a lock lasts as long as its file.
var reserved sync.Map

// Reserve is whether nobody else has the port, of those who ask here, in any process; until this process ends, they do
// not get it then. It locks a file that stands for the port. Where there can be no such file the port counts as
// reserved: the worst that can happen is that somebody else takes it while its server is away.
func Reserve(port int) bool {
	folder := filepath.Join(os.TempDir(), "ordersaga-ports")
	if os.MkdirAll(folder, 0o777) != nil {
		return true
	}
	file, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return true
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = file.Close() // somebody else has the port
		return false
	}
	reserved.Store(port, file)
	return true
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
