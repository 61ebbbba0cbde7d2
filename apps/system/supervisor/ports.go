package supervisor

import (
	"fmt"
	"net"

	"example.com/ordersaga/internal/localservers"
)

// listen gives the process its HTTP port: the one that is asked for, the preferred one if nobody has it, or a free one.
func (m *member) listen(o Options, taken map[int]bool) (err error) {
	wanted := o.Ports[m.name]
	if preferred := o.Prefer[m.name]; wanted == 0 && preferred != 0 && !taken[preferred] {
		if m.kept = keep(preferred); m.kept != nil {
			wanted = preferred
		}
	}
	m.http, err = port(wanted, taken)
	return err
}

// keep listens on the port, so that nobody gets it before the process is started, and reserves it, so that another
// system does not take it in between, or while the process is being started again. It is nil where somebody has it.
func keep(port int) net.Listener {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return nil
	}
	if !localservers.Reserve(port) {
		_ = listener.Close() // the port is another system's
		return nil
	}
	return listener
}

// releasePort frees the port for the process, which is about to start.
func (m member) releasePort() {
	if m.kept != nil {
		_ = m.kept.Close() // it may have been released already
	}
}

// port is the wanted one, or a free one that nobody else here has.
func port(wanted int, taken map[int]bool) (int, error) {
	for wanted == 0 {
		free, err := localservers.FreePort()
		if err != nil {
			return 0, err
		}
		if !taken[free] {
			wanted = free
		}
	}
	taken[wanted] = true
	return wanted, nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
func url(port int) string     { return "http://" + address(port) }
