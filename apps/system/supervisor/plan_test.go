package supervisor

import (
	"testing"

	"example.com/ordersaga/internal/localservers"
)

func TestPorts_APreferredPortIsTakenIfItIsFree(t *testing.T) {
	t.Parallel()
	preferred, err := localservers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	first, second := consoleOf(t, preferred), consoleOf(t, preferred)
	if first.http != preferred || second.http == preferred || second.http == 0 {
		t.Errorf("of two systems that prefer %d, the consoles get %d and %d", preferred, first.http, second.http)
	}
	first.releasePort()
	if third := consoleOf(t, preferred); third.http != preferred {
		t.Errorf("once it is free again, the console gets %d", third.http)
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
