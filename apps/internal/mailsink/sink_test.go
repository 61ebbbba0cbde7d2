package mailsink_test

import (
	"errors"
	"net"
	"net/smtp"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"example.com/ordersaga/apps/internal/mailsink"
)

func start(t *testing.T) (*mailsink.Sink, string) {
	t.Helper()
	sink := &mailsink.Sink{}
	server := sink.Server()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil && !errors.Is(err, gosmtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return sink, listener.Addr().String()
}

func send(addr, id, subject string) error {
	text := strings.Join([]string{"Message-ID: <" + id + ">", "Subject: " + subject, "", "Hello.", ""}, "\r\n")
	return smtp.SendMail(addr, nil, "shop@shop.example", []string{"ada@customers.example"}, []byte(text))
}

func TestMailsink_ARepeatIsDroppedByItsMessageID(t *testing.T) {
	t.Parallel()
	sink, addr := start(t)
	for range 3 {
		if err := send(addr, "1.received@shop.example", "received"); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(addr, "1.cancelled@shop.example", "cancelled"); err != nil {
		t.Fatal(err)
	}

	got := sink.Messages("ada")
	if len(got) != 2 || got[0].Deliveries != 3 || got[1].Deliveries != 1 {
		t.Fatalf("kept %+v, want the first message with 3 deliveries and the second with 1", got)
	}
	if got[0].Subject != "received" || got[0].To != "ada@customers.example" || strings.TrimSpace(got[0].Body) != "Hello." {
		t.Errorf("kept %+v", got[0])
	}
	if other := sink.Messages("bob"); len(other) != 0 {
		t.Errorf("another recipient has %+v", other)
	}
}

func TestMailsink_AMessageWithoutIDIsRefused(t *testing.T) {
	t.Parallel()
	sink, addr := start(t)
	err := smtp.SendMail(addr, nil, "shop@shop.example", []string{"ada@customers.example"}, []byte("Subject: x\r\n\r\nHello.\r\n"))
	if err == nil || !strings.Contains(err.Error(), "Message-ID") {
		t.Fatalf("the sink answered %v, want a refusal that names the Message-ID", err)
	}
	if got := sink.Messages(""); len(got) != 0 {
		t.Errorf("kept %+v", got)
	}
}
