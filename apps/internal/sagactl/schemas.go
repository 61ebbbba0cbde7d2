package sagactl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/schemaregistry"
)

func (p *program) schemas() *cobra.Command {
	return group("schemas", "Asks the schema registry, and registers schemas.",
		p.schemasList(), p.schemasShow(), p.schemasCheck(), p.schemasRegister(), p.schemasConfig())
}

// registryCommand is a command that makes requests to the running system's registry.
func (p *program) registryCommand(
	use, short string, args cobra.PositionalArgs, run func(context.Context, schemaregistry.Client, []string) error,
) *cobra.Command {
	return command(use, short, args, func(ctx context.Context, args []string) error {
		system, err := p.system()
		if err != nil {
			return err
		}
		address := system.URLs[endpoints.Registry]
		if address == "" {
			return &Failure{unreachable, errors.New("the running system has no schema registry"), "make demo"}
		}
		err = run(ctx, schemaregistry.Client{URL: address}, args)
		var failure *Failure
		var refused *schemaregistry.Error
		switch {
		case err == nil, errors.As(err, &failure):
			return err
		case errors.As(err, &refused) && refused.Code != schemaregistry.StorageUnavailable:
			return &Failure{failed, err, "sagactl schemas list"}
		}
		return unanswered(err)
	})
}

// fileCommand is a command about a schema in a file, as a version of a subject.
func (p *program) fileCommand(
	name, short string, run func(context.Context, schemaregistry.Client, string, schemaregistry.Schema) error,
) *cobra.Command {
	subject := ""
	c := p.registryCommand(name+" FILE", short, cobra.ExactArgs(1),
		func(ctx context.Context, client schemaregistry.Client, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				err = fmt.Errorf("read the schema: %w", err)
			} else if !json.Valid(text) {
				err = fmt.Errorf("%s is not JSON", args[0])
			}
			if err != nil {
				return &Failure{usage, err, "sagactl schemas " + name + " --help"}
			}
			schema := schemaregistry.Schema{Type: schemaregistry.JSON, Text: string(text)}
			shared, err := client.Version(ctx, schemaregistry.Shared, "latest") // what all events share, if they refer to it
			if err != nil && !schemaregistry.IsCode(err, schemaregistry.NoSubject) {
				return err
			}
			return run(ctx, client, subject, schema.Sharing(shared.Version))
		})
	c.Flags().StringVar(&subject, "subject", "", "the subject: an event's type, such as saga.payment.PaymentProcessed.v1")
	_ = c.MarkFlagRequired("subject") // it exists
	return c
}

func (p *program) schemasList() *cobra.Command {
	const short = "Lists the subjects, each with its latest version and its compatibility mode."
	return p.registryCommand("list", short, cobra.NoArgs, func(
		ctx context.Context, r schemaregistry.Client, _ []string,
	) error {
		names, err := r.Subjects(ctx)
		if err != nil {
			return err
		}
		var subjects []subject
		for _, name := range names {
			latest, err := r.Version(ctx, name, "latest")
			if err != nil {
				return err
			}
			mode, err := r.Mode(ctx, name)
			if err != nil {
				return err
			}
			subjects = append(subjects, subject{name, latest.Version, latest.ID, mode})
		}
		return showList(p, "schemas", "SUBJECT,VERSIONS#,ID#,MODE", subjects, nil, func(s subject) []string {
			return []string{s.Subject, strconv.Itoa(s.Version), strconv.Itoa(s.ID), s.Mode}
		})
	})
}

// subject is one in the list, with its latest version.
type subject struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Mode    string `json:"mode"`
}

func (p *program) schemasShow() *cobra.Command {
	version := "latest"
	c := p.registryCommand("show SUBJECT", "Shows a version of a subject.", cobra.ExactArgs(1),
		func(ctx context.Context, client schemaregistry.Client, args []string) error {
			found, err := client.Version(ctx, args[0], version)
			if err != nil {
				return err
			}
			return p.show(found, func() {
				text := strings.TrimSpace(found.Text)
				fmt.Fprintf(p.out, "%s version %d, id %d\n%s\n", found.Subject, found.Version, found.ID, text)
			})
		})
	c.Example = "  sagactl schemas show saga.payment.PaymentProcessed.v1"
	c.Flags().StringVar(&version, "version", version, "its number, or latest")
	return c
}

func (p *program) schemasCheck() *cobra.Command {
	c := p.fileCommand("check", "Checks whether a schema could be registered, and what would break.",
		func(ctx context.Context, client schemaregistry.Client, subject string, schema schemaregistry.Schema) error {
			answer, err := client.Check(ctx, subject, schema)
			if err != nil {
				return err
			}
			err = p.show(answer, func() {
				if answer.Compatible {
					fmt.Fprintf(p.out, "compatible: it could be the next version of %s\n", subject)
				} else {
					fmt.Fprintln(p.out, strings.Join(answer.Messages, "\n"))
				}
			})
			if err == nil && !answer.Compatible {
				err = fmt.Errorf("it would break whoever uses %s", subject)
				return &Failure{failed, err, "sagactl schemas show " + subject}
			}
			return err
		})
	c.Long = `Checks whether a schema could be registered as the next version of a subject, and registers nothing. What
cannot be judged counts as a break. The exit code is 1 when it could not.`
	c.Example = "  sagactl schemas check changed.json --subject saga.payment.PaymentProcessed.v1"
	return c
}

func (p *program) schemasRegister() *cobra.Command {
	return p.fileCommand("register", "Registers a schema as the next version of a subject.",
		func(ctx context.Context, client schemaregistry.Client, subject string, schema schemaregistry.Schema) error {
			if _, err := client.Register(ctx, subject, schema); err != nil {
				return err
			}
			registered, err := client.LookUp(ctx, subject, schema)
			if err != nil {
				return err
			}
			return p.show(registered, func() {
				fmt.Fprintf(p.out, "%s version %d, id %d\n", registered.Subject, registered.Version, registered.ID)
			})
		})
}

func (p *program) schemasConfig() *cobra.Command {
	mode := ""
	const short = "Shows or sets the compatibility mode, of a subject or of all that have none."
	c := p.registryCommand("config [SUBJECT]", short, cobra.MaximumNArgs(1),
		func(ctx context.Context, client schemaregistry.Client, args []string) error {
			subject := strings.Join(args, "")
			if mode != "" {
				if err := client.SetMode(ctx, subject, mode); err != nil {
					return err
				}
			}
			now, err := client.Mode(ctx, subject)
			if err != nil {
				return err
			}
			return p.show(map[string]string{"subject": subject, "mode": now}, func() { fmt.Fprintln(p.out, now) })
		})
	c.Example = "  sagactl schemas config --set FULL_TRANSITIVE"
	c.Flags().StringVar(&mode, "set", "", "NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE")
	return c
}
