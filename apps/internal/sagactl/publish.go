package sagactl

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"example.com/ordersaga/internal/natsadmin"
)

func (p *program) publish() *cobra.Command {
	c := command("publish SERVICE SUBJECT FILE", "Publishes a file as a message of a service: a producer that is wrong.",
		cobra.ExactArgs(3), func(ctx context.Context, args []string) error {
			message, err := os.ReadFile(args[2])
			if err != nil {
				return &Failure{usage, fmt.Errorf("read the message: %w", err), ""}
			}
			address, err := p.brokerAs(args[0])
			if err != nil {
				return err
			}
			return p.publishAs(ctx, address, args[0], args[1], message)
		})
	c.Long = `Publishes a file as a message of a service, with its login and past its outbox: what a producer with a fault
does, for trying what the consumers make of it. Only at a system of sagactl demo, whose logins stand beside run.json.`
	c.Example = `  echo hello | sagactl publish payment saga.payment.PaymentProcessed.v1.$ORDER /dev/stdin`
	return c
}

// brokerAs is the broker's address with a service's login.
func (p *program) brokerAs(service string) (string, error) {
	system, err := p.system()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(p.file), "secrets.json"))
	if err != nil {
		return "", &Failure{usage, fmt.Errorf("the logins of a demo stand beside its run.json: %w", err), "sagactl demo"}
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil {
		return "", fmt.Errorf("read the logins: %w", err)
	}
	password, is := secrets["nats_"+service]
	if !is {
		return "", &Failure{usage, fmt.Errorf("%q has no login at the broker", service), "sagactl publish payment SUBJECT"}
	}
	address, err := url.Parse(system.NATS)
	if err != nil {
		return "", fmt.Errorf("read the broker's address: %w", err)
	}
	address.User = url.UserPassword(service, password)
	return address.String(), nil
}

func (p *program) publishAs(ctx context.Context, address, service, subject string, message []byte) error {
	nc, err := natsadmin.Connect(address, service, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer natsadmin.Close(nc)
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stored, err := js.Publish(ctx, subject, message)
	if err != nil {
		return &Failure{failed, fmt.Errorf("publish as %s: %w", service, err), "is it a subject of this service?"}
	}
	return p.show(stored, func() { fmt.Fprintf(p.out, "stored as message %d of the stream\n", stored.Sequence) })
}
