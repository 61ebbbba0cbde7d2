package kit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
)

// Mail is a message that the mail server keeps.
type Mail struct {
	ID         string `json:"message_id"`
	To         string `json:"to"`
	Subject    string `json:"subject"`
	InReplyTo  string `json:"in_reply_to,omitempty"`
	Body       string `json:"body"`
	Deliveries int    `json:"deliveries"` // how often it came
}

// Mails are what the mail server has got about an order, the oldest first.
func (s *System) Mails(t testing.TB, id string) []Mail {
	t.Helper()
	mails, err := s.mails(t, id)
	Must(t, err)
	return mails
}

// AwaitMails waits until the mail server has these mails about an order, by their subjects, and no others.
func (s *System) AwaitMails(t testing.TB, id string, subjects ...string) {
	t.Helper()
	Eventually(t, "the mails about order "+id, func() error {
		mails, err := s.mails(t, id)
		var got []string
		for _, mail := range mails {
			got = append(got, mail.Subject)
		}
		if err == nil && !slices.Equal(got, subjects) {
			err = fmt.Errorf("there are %q, not %q", got, subjects)
		}
		return err
	})
}

func (s *System) mails(t testing.TB, id string) ([]Mail, error) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.At.URLs[endpoints.Mail]+"/messages", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var all struct {
		Messages []Mail `json:"messages"`
	}
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	return slices.DeleteFunc(all.Messages, func(m Mail) bool { return !strings.HasPrefix(m.ID, id+".") }), nil
}
