package notification

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// postbox is a mail server that keeps what it takes.
type postbox struct {
	addr string

	mu     sync.Mutex
	taken  [][]byte
	refuse func(to string) error // nil: nobody is refused
	end    func() error          // what comes of the end of a message; nil: it is taken at once
	logins []string
	hellos []string
}

// openPostbox opens a postbox, which the test may change before it serves. With a certificate it is encrypted from the
// first byte.
func openPostbox(t *testing.T, certificate *tls.Config, change ...func(*smtp.Server)) *postbox {
	t.Helper()
	box := &postbox{}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box.addr = listener.Addr().String()
	if certificate != nil {
		listener = tls.NewListener(listener, certificate)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		box.mu.Lock()
		defer box.mu.Unlock()
		box.hellos = append(box.hellos, c.Hostname())
		return &visit{box}, nil
	}))
	server.Domain, server.ErrorLog = "localhost", quiet{}
	for _, c := range change {
		c(server)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return box
}

// quiet is for conversations that are meant to break.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// visit is one conversation with a postbox.
type visit struct{ box *postbox }

func (v *visit) Mail(string, *smtp.MailOptions) error { return nil }
func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.box.mu.Lock()
	refuse := v.box.refuse
	v.box.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(to)
}
func (v *visit) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v.box.mu.Lock()
	v.box.taken = append(v.box.taken, message)
	end := v.box.end
	v.box.mu.Unlock()
	if end == nil {
		return nil
	}
	return end()
}
func (v *visit) Reset()                   {}
func (v *visit) Logout() error            { return nil }
func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }
func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		v.box.mu.Lock()
		defer v.box.mu.Unlock()
		v.box.logins = append(v.box.logins, user+":"+password)
		return nil
	}), nil
}

func (b *postbox) messages() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}

func (b *postbox) change(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// of are the Message-IDs of what was taken, without what they have in common.
func (b *postbox) of(t *testing.T) (ids []string) {
	t.Helper()
	for _, raw := range b.messages() {
		id := parsed(t, raw).Header.Get("Message-Id")
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(id, "<"), "@shop.example>"))
	}
	return ids
}

func parsed(t *testing.T, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
