package supervisor

import (
	"net"
	"testing"
)

func TestPorts_APreferredPortIsTakenIfItIsFree(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", address(0))
	if err != nil {
		t.Fatal(err)
	}
	preferred := listener.Addr().(*net.TCPAddr).Port
	if occupied := consoleOf(t, preferred); occupied.http == preferred {
		t.Error("the console gets a port on which somebody listens")
	}
	_ = listener.Close() // nobody has connected
	first, second := consoleOf(t, preferred), consoleOf(t, preferred)
	if first.http != preferred || second.http == preferred || second.http == 0 {
		t.Errorf("of two systems that prefer %d, the consoles get %d and %d", preferred, first.http, second.http)
	}
	first.releasePort()
	if third := consoleOf(t, preferred); third.http == preferred {
		t.Error("the port of a console that is about to start is given to another one")
	}
}

func consoleOf(t *testing.T, preferred int) member {
	t.Helper()
	all, err := members(Options{Prefer: map[string]int{Console: preferred}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.name == Console {
			t.Cleanup(m.releasePort)
			return m
		}
	}
	t.Fatal("there is no console")
	return member{}
}
