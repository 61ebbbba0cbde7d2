package order

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"time"

	"example.com/ordersaga/internal/failpoint"
)

// post is the mail server that takes the shop's mails: any that speaks SMTP.
type post struct {
	addr           string // SMTP_ADDR, host and port; empty: no mails are written
	from           string // SMTP_FROM
	user, password string // SMTP_USER, SMTP_PASSWORD; empty: the server takes mails from anybody
}

func postFrom(getenv func(string) string) (p post, err error) {
	p = post{addr: getenv("SMTP_ADDR"), from: getenv("SMTP_FROM"), user: getenv("SMTP_USER"),
		password: getenv("SMTP_PASSWORD")}
	if p.from == "" {
		p.from = "orders@shop.example"
	}
	if _, _, err := net.SplitHostPort(p.addr); p.addr != "" && err != nil {
		return post{}, fmt.Errorf("SMTP_ADDR must be a host and a port such as mail.example.com:587, not %q", p.addr)
	}
	if sender, err := mail.ParseAddress(p.from); err != nil || sender.Address != p.from {
		return post{}, fmt.Errorf("SMTP_FROM must be an address such as orders@shop.example, not %q", p.from)
	}
	return p, nil
}

// open begins a conversation, which ends with ctx at the latest. It is encrypted where the server can do that, and
// then only if the server is who it says; a password is given to no other one but on this machine.
func (p post) open(ctx context.Context) (*smtp.Client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, fmt.Errorf("reach the mail server: %w", err)
	}
	if until, bounded := ctx.Deadline(); bounded {
		_ = conn.SetDeadline(until) // a connection that is open takes a deadline
	}
	host, _, _ := net.SplitHostPort(p.addr)
	server, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("speak with the mail server: %w", err), conn.Close())
	}
	if err := p.introduce(server, host); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

func (p post) introduce(server *smtp.Client, host string) error {
	if offered, _ := server.Extension("STARTTLS"); offered {
		if err := server.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return fmt.Errorf("encrypt the conversation with the mail server: %w", err)
		}
	}
	if p.user == "" {
		return nil
	}
	if err := server.Auth(smtp.PlainAuth("", p.user, p.password, host)); err != nil {
		return fmt.Errorf("log in at the mail server: %w", err)
	}
	return nil
}

// outcome is what became of one letter; both nil: the server has taken it.
type outcome struct {
	later error // not now
	never error // the server refuses it for good
}

// deliver hands one letter over. The server has it from the moment when it answers, which is before we know.
func (p post) deliver(ctx context.Context, server *smtp.Client, l Letter, faults *failpoint.Set) outcome {
	if err := faults.At(ctx, failpoint.MailBeforeSend, l.Order.OrderID); err != nil {
		return outcome{later: err}
	}
	if err := server.Mail(p.from); err != nil {
		return outcome{later: err} // it is our own address that is not liked: a matter of the configuration
	}
	if err := server.Rcpt(l.To); err != nil {
		return refused(err)
	}
	body, err := server.Data()
	if err != nil {
		return outcome{later: err}
	}
	if _, err = body.Write(l.write(p.from)); err != nil {
		return outcome{later: err}
	}
	if err := body.Close(); err != nil {
		return refused(err)
	}
	return outcome{later: faults.At(ctx, failpoint.MailSent, l.Order.OrderID)}
}

// refused tells a mailbox that does not exist, or a letter that is not wanted (550 to 559), from a server that
// cannot, or not yet.
func refused(err error) outcome {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 550 && answer.Code < 560 {
		return outcome{never: err}
	}
	return outcome{later: err}
}

// mailPause is how long to wait before the next attempt: doubling from a second, at most a minute. A server that
// is back has everything within that.
func mailPause(attempts int) time.Duration {
	return min(time.Minute, time.Second<<min(attempts-1, 6))
}
