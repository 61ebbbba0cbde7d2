package chaos

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

func proxied(t *testing.T) (*Proxy, func() net.Conn) {
	t.Helper()
	p, err := NewProxy(t.Context(), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, func() net.Conn {
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

func TestProxy_EveryBytePassesAsItIs(t *testing.T) {
	t.Parallel()
	_, dial := proxied(t)
	conn := dial()
	sent := make([]byte, 3<<20)
	_, _ = rand.Read(sent)
	go func() { _, _ = conn.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(sent, got) {
		t.Fatalf("what came back is not what was sent: %v", err)
	}
}

// answers reports whether a byte comes back within the time.
func answers(t *testing.T, conn net.Conn, within time.Duration) error {
	t.Helper()
	_, _ = conn.Write([]byte("x"))
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}

func TestProxy_ACutEndsConnectionsUntilItIsHealed(t *testing.T) {
	t.Parallel()
	p, dial := proxied(t)
	conn := dial()
	if err := answers(t, conn, time.Minute); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := answers(t, conn, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the old connection says %v, want its end", err)
	}
	if err := answers(t, dial(), time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a new connection says %v, want its end", err)
	}
	p.Heal()
	if err := answers(t, dial(), time.Minute); err != nil {
		t.Fatalf("after the cut: %v", err)
	}
}

func TestProxy_AHoldKeepsBytesAndLosesNone(t *testing.T) {
	t.Parallel()
	p, dial := proxied(t)
	conn := dial()
	p.Hold()
	if err := answers(t, conn, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("while held: %v, want silence", err)
	}
	p.Heal()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the held byte did not come: %v", err)
	}
}

func TestProxy_SlowDataTakesItsTime(t *testing.T) {
	t.Parallel()
	p, dial := proxied(t)
	conn := dial()
	p.Slow(50 * time.Millisecond)
	began := time.Now()
	if err := answers(t, conn, time.Minute); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("there and back took %v, want a delay of 50 ms each way", took)
	}
}
