package sagactl_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/sagactl"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/testkit"
)

// aBroker is a description of a system that has a broker alone, with payment's login beside it.
func aBroker(t *testing.T) (file string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content any) string {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	broker := testkit.Broker(t)
	write("secrets.json", map[string]string{"nats_payment": "test-payment"})
	return write("run.json", endpoints.Description{NATS: broker.URL(natsadmin.Observer)})
}

func TestPublish_PlaysAProducerThatIsWrong(t *testing.T) {
	t.Parallel()
	file, order := aBroker(t), uuid.NewString()
	message := filepath.Join(filepath.Dir(file), "message")
	if err := os.WriteFile(message, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	subject := "saga.payment.PaymentFailed.v1." + order
	got := run(t, nil, "--file", file, "publish", "payment", subject, message)
	if got.code != 0 || !strings.Contains(got.out, "stored as message 1 ") {
		t.Errorf("publish: %+v", got)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"another's subject": {[]string{"payment", "saga.order.OrderConfirmed.v1." + order, message}, 1, "publish as payment"},
		"no such service":   {[]string{"nobody", subject, message}, 2, `"nobody" has no login at the broker`},
		"no such file":      {[]string{"payment", subject, message + ".not"}, 2, "read the message"},
	} {
		if got := run(t, nil, append([]string{"--file", file, "publish"}, c.args...)...); got.code != c.code || !strings.Contains(got.err, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWatch_ShowsWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	file, order := aBroker(t), uuid.NewString()
	message := filepath.Join(filepath.Dir(file), "message")
	end := filepath.Join(filepath.Dir(file), "end")
	confirmed := `{"specversion":"1.0","id":"` + uuid.NewString() + `","source":"/services/payment"}`
	for path, text := range map[string]string{message: "hello", end: confirmed} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := run(t, nil, "--file", file, "publish", "payment", "saga.payment.PaymentFailed.v1."+order, path); got.code != 0 {
			t.Fatalf("publish: %+v", got)
		}
	}
	lines := watched(t, file, 2)
	for _, want := range []string{`"raw":"hello"`, `"source":"/services/payment"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("%s is missing in %s", want, lines)
		}
	}
}

// watched is what watch prints as JSON of the past, until there are so many lines.
func watched(t *testing.T, file string, lines int) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	printed := &counting{lines: lines, enough: stop}
	code := sagactl.Run(ctx, []string{"--file", file, "watch", "--past", "-o", "json"}, sagactl.Terminal{Out: printed, Err: printed})
	if code != 0 {
		t.Errorf("watch ends with %d", code)
	}
	return printed.String()
}

// counting stops the watch when it has printed enough.
type counting struct {
	strings.Builder
	lines  int
	enough func()
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Builder.Write(p)
	if strings.Count(c.String(), "\n") >= c.lines {
		c.enough()
	}
	return n, err
}
