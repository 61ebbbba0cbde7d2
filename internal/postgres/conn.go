package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// conn is a connection that does not wait for a server which hangs: the kernel of its host still acknowledges what is
// sent, so that no other timeout ever ends. Nothing in a program needs a deadline of its own for that.
//
// It is also why a statement whose context has ended is not cancelled: pgx closes the connection, and would ask the
// server to cancel by a second one. At a server that hangs it would wait for an answer, and keep the connection's place
// in its pool meanwhile. At a living one it would end a commit's wait for a synchronous standby: the transaction is
// visible then, and lost at the next failover. The server's own statement_timeout ends what takes too long.
type conn struct {
	net.Conn
	patience time.Duration
	silent   func()
	hung     *sync.Map // when servers were silent, by address; nil where there is no other host

	mu      sync.Mutex
	open    bool // connecting is over
	waits   time.Duration
	fixed   bool  // somebody else has set the deadline
	givenUp error // the connection is closed
}

func (c *conn) Read(b []byte) (int, error) {
	c.wait(c.SetReadDeadline)
	n, err := c.Conn.Read(b)
	return n, c.judge(err)
}

func (c *conn) Write(b []byte) (int, error) {
	c.wait(c.SetWriteDeadline)
	n, err := c.Conn.Write(b)
	return n, c.judge(err)
}

// SetDeadline is what pgx calls with a time when a context has ended or the connection is to be closed, and with none
// when it can be used again. Closing lasts as long as the server still sends, or 15 s: longer than a place in the pool
// may be kept for that.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = !t.IsZero()
	if latest := time.Now().Add(closeTime); t.After(latest) {
		t = latest
	}
	return c.Conn.SetDeadline(t)
}

func (c *conn) wait(set func(time.Time) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = c.patience
	if !c.open && c.hasHung() {
		c.waits = hungTime
	}
	if !c.fixed {
		_ = set(time.Now().Add(c.waits)) // fails on a closed connection, as what follows does
	}
}

func (c *conn) judge(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late && (!c.fixed || !c.open) && c.hung != nil && !c.hasHung() {
		c.hung.Store(c.address(), time.Now())
	}
	if late && !c.fixed && c.givenUp == nil {
		c.givenUp = errSilent(c.waits)
		_ = c.Close() // it is of no use, closed or not
		if c.open {
			c.silent()
		}
	}
	return cmp.Or(c.givenUp, err)
}

// connected ends the time in which a server that has hung is given less of it.
func (c *conn) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = true
	if c.hung != nil {
		c.hung.Delete(c.address())
	}
}

func (c *conn) hasHung() bool {
	if c.hung == nil {
		return false
	}
	at, is := c.hung.Load(c.address())
	return is && time.Since(at.(time.Time)) < hungLately
}

func (c *conn) address() string { return c.Conn.RemoteAddr().String() }

// errSilent is a [net.Error], since pgx looks at a connection once more after any other, and shows that error.
type errSilent time.Duration

func (e errSilent) Error() string {
	return fmt.Sprintf("the database server was silent for %v", time.Duration(e))
}

// Timeout is part of [net.Error].
func (errSilent) Timeout() bool { return true }

// Temporary is part of [net.Error].
func (errSilent) Temporary() bool { return false }

// RemoteAddr is an address that cannot be dialled, which keeps pgx from sending a cancel request there.
func (c *conn) RemoteAddr() net.Addr { return undialled{c.Conn.RemoteAddr()} }

type undialled struct{ net.Addr }

func (undialled) Network() string { return "no cancel requests" }
