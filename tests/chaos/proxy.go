package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Proxy stands on the wire between a process and a server, and passes every byte on as it is. It can cut
// the wire, hold it, and slow it down, which no process can tell from a network that does the same.
type Proxy struct {
	target   string
	listener net.Listener
	group    errgroup.Group

	mu     sync.Mutex
	conns  map[net.Conn]bool
	open   chan struct{} // closed while bytes may pass
	cut    bool
	delay  time.Duration
	closed bool
}

// chunk is the most that passes at once; small, so that a delay shapes a stream and not only its beginning.
const chunk = 16 << 10

// NewProxy listens on a free port of the loopback and forwards to target, a host and port.
func NewProxy(ctx context.Context, target string) (*Proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: listener, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(p.open)
	p.group.Go(p.accept)
	return p, nil
}

// Addr is the host and port to connect to instead of the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut ends all connections, and refuses new ones until [Proxy.Heal].
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// Hold lets no byte pass until [Proxy.Heal], without ending any connection: packets are lost, nobody knows.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default: // it is held already
	}
}

// Slow makes every piece of data wait before it passes.
func (p *Proxy) Slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// Heal ends a cut, a hold and a delay.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Close ends the proxy and all that passes through it.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Heal()
	p.Cut()
	return errors.Join(err, p.group.Wait())
}

func (p *Proxy) accept() error {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return nil //nolint:nilerr // the listener was closed: that is the end, not a failure
		}
		p.group.Go(func() error { p.serve(client); return nil })
	}
}

// serve connects a client to the target, and ends both sides when one of them ends.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{Timeout: 2 * time.Second}).Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.admit(client, server) {
		return
	}
	defer p.forget(client, server)

	var both sync.WaitGroup
	both.Go(func() { p.pass(server, client) })
	both.Go(func() { p.pass(client, server) })
	both.Wait()
}

func (p *Proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.closed {
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return true
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}

// pass copies one direction until it ends, and then ends what it copies to.
func (p *Proxy) pass(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait is where held and slow data stands.
func (p *Proxy) wait() {
	p.mu.Lock()
	open, delay := p.open, p.delay
	p.mu.Unlock()
	if delay > 0 {
		<-time.After(delay)
	}
	<-open
}
