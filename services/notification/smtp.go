package notification

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
)

// mailServer is the server that takes the shop's mails: any that speaks SMTP.
type mailServer struct {
	addr           string // SMTP_ADDR: host and port
	from           string // SMTP_FROM
	hello          string // SMTP_HELLO: the name by which we introduce ourselves (EHLO)
	user, password string // SMTP_USER, SMTP_PASSWORD; empty: the server takes mails from anybody
	implicitTLS    bool   // SMTP_TLS=implicit: encrypted from the first byte; otherwise as soon as the server offers it
	times          times
	roots          *x509.CertPool // who vouches for the server; nil: whom this machine trusts
}

// times are how long each phase of a conversation may take; the defaults are the least that RFC 5321, 4.5.3.2, wants.
type times struct {
	command time.Duration // SMTP_COMMAND_TIMEOUT: connecting, the greeting, and each command
	data    time.Duration // SMTP_DATA_TIMEOUT: until the server is ready for the message
	end     time.Duration // SMTP_END_TIMEOUT: sending the message, and until the server has taken it
}

// lastWords is how long a conversation may still take once the process is to end.
const lastWords = 5 * time.Second

// errUnreached means that the server takes no mail at all; the log has why, with addresses.
var errUnreached = errors.New("the mail server cannot be reached")

// errUnanswered: the server may have the mail.
var errUnanswered = errors.New("the mail server has not answered the end of the message: it may have it")

// send hands a mail over in a conversation of its own; handOver is called when the server may have it from then on.
func (s mailServer) send(ctx context.Context, m Mail, handOver func() error) (State, error) {
	conn, err := (&net.Dialer{Timeout: s.times.command}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return Waiting, errors.Join(errUnreached, err)
	}
	defer conn.Close() // everything that counts has been answered
	within := func(d time.Duration) {
		_ = conn.SetDeadline(time.Now().Add(d)) // a connection that is open takes a deadline
		if ctx.Err() != nil {
			_ = conn.SetDeadline(time.Now().Add(min(d, lastWords)))
		}
	}
	defer context.AfterFunc(ctx, func() { within(lastWords) })()
	client, err := s.open(conn, within)
	if err != nil {
		return Waiting, errors.Join(errUnreached, err)
	}
	within(s.times.command)
	if err := client.Mail(s.from); err != nil {
		return Waiting, err // it is our own address that is not liked: a matter of the configuration
	}
	within(s.times.command)
	if err := client.Rcpt(m.Recipient); err != nil {
		return judge(err), err
	}
	within(s.times.data)
	body, err := client.Data()
	if err != nil {
		return Waiting, err
	}
	if err := handOver(); err != nil {
		return Waiting, err
	}
	within(s.times.end)
	_, err = body.Write(s.message(m))
	if err = errors.Join(err, body.Close()); err == nil {
		return Sent, nil
	}
	if _, answered := errors.AsType[*textproto.Error](err); answered {
		return judge(err), err
	}
	return Waiting, errUnanswered
}

// open begins a conversation. It is encrypted where the server can do that, and then only if the server is who it
// claims to be; a password is given to no other one but on this machine.
func (s mailServer) open(conn net.Conn, within func(time.Duration)) (*smtp.Client, error) {
	host, _, _ := net.SplitHostPort(s.addr)
	secure := &tls.Config{ServerName: host, RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	if s.implicitTLS {
		conn = tls.Client(conn, secure)
	}
	within(s.times.command)
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, fmt.Errorf("be greeted by the mail server: %w", err)
	}
	within(s.times.command)
	if err := client.Hello(s.hello); err != nil {
		return nil, fmt.Errorf("introduce ourselves to the mail server: %w", err)
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !s.implicitTLS {
		within(s.times.command)
		if err := client.StartTLS(secure); err != nil {
			return nil, fmt.Errorf("encrypt the conversation with the mail server: %w", err)
		}
	}
	if s.user != "" {
		within(s.times.command)
		if err := client.Auth(smtp.PlainAuth("", s.user, s.password, host)); err != nil {
			return nil, fmt.Errorf("log in at the mail server: %w", err)
		}
	}
	return client, nil
}

// judge tells a mailbox that does not exist, or a mail that is not wanted (550 to 559), from a server that cannot, or
// not yet.
func judge(err error) State {
	if answer, is := errors.AsType[*textproto.Error](err); is && answer.Code >= 550 && answer.Code < 560 {
		return Refused
	}
	return Waiting
}

// message is the mail as it goes over the wire, the same bytes at every attempt. Its Message-ID is made of the order
// and the kind alone, so that whoever gets the mail twice can tell (RFC 5322, 3.6.4).
func (s mailServer) message(m Mail) []byte {
	_, domain, _ := strings.Cut(s.from, "@")
	id := func(kind Kind) string { return fmt.Sprintf("<%s.%s@%s>", m.OrderID, kind, domain) }
	subject, answers := "We have received your order", ""
	if m.Kind == Cancelled {
		subject, answers = "Your order is cancelled", fmt.Sprintf("In-Reply-To: %s\nReferences: %[1]s\n", id(Received))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-ID: %s\n%sDate: %s\nFrom: %s\nTo: %s\nSubject: %s\n"+
		"Auto-Submitted: auto-generated\n"+ // nobody's holiday notice answers it
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n",
		id(m.Kind), answers, m.CreatedAt.UTC().Format(time.RFC1123Z), s.from, m.Recipient, subject)
	encoded := quotedprintable.NewWriter(&b)
	// A buffer takes everything that it is given.
	_, _ = encoded.Write([]byte(m.salutation() + m.Body))
	_ = encoded.Close()
	return bytes.ReplaceAll(bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
