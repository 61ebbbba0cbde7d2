// Package mailsink is a mail server that keeps what it is sent, for people and tests to read: the far end
// of the order service's mails. It delivers nothing to anyone.
//
// Mails are sent at least once. As any receiver may, the sink drops a repeat by its Message-ID
// (RFC 5322, 3.6.4), and counts how often it came.
package mailsink

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// maxMessages bounds the memory: beyond it the oldest message goes.
const maxMessages = 10_000

// Message is a mail as the sink keeps it.
type Message struct {
	ID         string    `json:"message_id"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Subject    string    `json:"subject"`
	InReplyTo  string    `json:"in_reply_to,omitempty"`
	Body       string    `json:"body"`
	ReceivedAt time.Time `json:"received_at"` // the first time
	Deliveries int       `json:"deliveries"`  // how often it came
}

// Sink keeps messages. The zero value is ready.
type Sink struct {
	mu       sync.Mutex
	messages map[string]*Message
	order    []string // ids, the oldest first
}

// Messages are all that were received, the oldest first; to limits them to one recipient where not empty.
func (s *Sink) Messages(to string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make([]Message, 0, len(s.order))
	for _, id := range s.order {
		if m := s.messages[id]; to == "" || strings.Contains(m.To, to) {
			found = append(found, *m)
		}
	}
	return found
}

// ServeHTTP lists the messages as JSON: GET /messages, optionally ?to=.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The client may have left; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{"messages": s.Messages(r.URL.Query().Get("to"))})
}

// keep stores a message, or counts the repeat of one.
func (s *Sink) keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.messages[m.ID]; ok {
		known.Deliveries++
		return
	}
	if s.messages == nil {
		s.messages = map[string]*Message{}
	}
	if len(s.order) == maxMessages {
		delete(s.messages, s.order[0])
		s.order = s.order[1:]
	}
	m.Deliveries = 1
	s.messages[m.ID] = &m
	s.order = append(s.order, m.ID)
}

// Server is the sink's SMTP side.
func (s *Sink) Server() *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }))
	server.Domain = "localhost"
	server.MaxMessageBytes = 1 << 20
	server.MaxRecipients = 10
	server.ReadTimeout = 30 * time.Second
	server.WriteTimeout = 30 * time.Second
	return server
}

// session is one client's conversation.
type session struct {
	sink     *Sink
	from, to string
}

// Mail notes the sender.
func (c *session) Mail(from string, _ *smtp.MailOptions) error { c.from = from; return nil }

// Rcpt notes a recipient.
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = strings.TrimPrefix(c.to+", "+to, ", ")
	return nil
}

// Data takes the message in; one that cannot be read or has no Message-ID is refused for good.
func (c *session) Data(r io.Reader) error {
	parsed, err := mail.ReadMessage(r)
	if err != nil {
		return refuse("the message cannot be read: %v", err)
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	id := strings.Trim(parsed.Header.Get("Message-Id"), "<>")
	if id == "" {
		return refuse("the message has no Message-ID")
	}
	c.sink.keep(Message{
		ID: id, From: c.from, To: c.to, Subject: parsed.Header.Get("Subject"),
		InReplyTo: strings.Trim(parsed.Header.Get("In-Reply-To"), "<>"), Body: string(body), ReceivedAt: time.Now().UTC(),
	})
	return nil
}

// Reset forgets the message that was begun.
func (c *session) Reset() { c.from, c.to = "", "" }

// Logout ends the conversation.
func (c *session) Logout() error { return nil }

func refuse(format string, args ...any) error {
	return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: fmt.Sprintf(format, args...)}
}
