package sagactl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) schemas() *cobra.Command {
	return group("schemas", "Asks the schema registry, and registers schemas.",
		p.schemasList(), p.schemasShow(), p.schemasCheck(), p.schemasRegister(), p.schemasConfig())
}

func (p *program) schemasList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Lists the subjects, each with its latest version and its compatibility mode.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			client, err := p.registry()
			if err != nil {
				return err
			}
			names, err := client.Subjects(c.Context())
			if err != nil {
				return unregistered(err)
			}
			if p.output == "json" {
				return p.json(names)
			}
			rows := [][]string{{"SUBJECT", "VERSIONS#", "ID#", "MODE"}}
			for _, name := range names {
				latest, err := client.Version(c.Context(), name, "latest")
				if err != nil {
					return unregistered(err)
				}
				mode, err := client.Mode(c.Context(), name)
				if err != nil {
					return unregistered(err)
				}
				rows = append(rows, []string{name, strconv.Itoa(latest.Version), strconv.Itoa(latest.ID), mode})
			}
			table(p.out, p.width(), rows)
			return nil
		}),
	}
}

func (p *program) schemasShow() *cobra.Command {
	version := "latest"
	c := &cobra.Command{
		Use: "show SUBJECT", Short: "Shows a version of a subject.", Args: cobra.ExactArgs(1),
		Example: "  sagactl schemas show saga.payment.PaymentProcessed.v1",
		RunE: runs(func(c *cobra.Command, args []string) error {
			client, err := p.registry()
			if err != nil {
				return err
			}
			found, err := client.Version(c.Context(), args[0], version)
			if err != nil {
				return unregistered(err)
			}
			if p.output == "json" {
				return p.json(found)
			}
			fmt.Fprintf(p.out, "%s version %d, id %d\n%s\n", found.Subject, found.Version, found.ID, strings.TrimSpace(found.Text))
			return nil
		}),
	}
	c.Flags().StringVar(&version, "version", version, "its number, or latest")
	return c
}

func (p *program) schemasCheck() *cobra.Command {
	subject := ""
	c := &cobra.Command{
		Use: "check FILE", Short: "Says whether a schema could be registered, and what would break.", Args: cobra.ExactArgs(1),
		Long: `Says whether a schema could be registered as the next version of a subject, and registers nothing. What cannot be judged
counts as a break. The exit code is 1 when it could not.`,
		Example: "  sagactl schemas check changed.json --subject saga.payment.PaymentProcessed.v1",
		RunE: runs(func(c *cobra.Command, args []string) error {
			client, schema, err := p.schemaIn(c, args[0])
			if err != nil {
				return err
			}
			answer, err := client.Check(c.Context(), subject, schema)
			if err != nil {
				return unregistered(err)
			}
			switch {
			case p.output == "json":
				err = p.json(answer)
			case answer.Compatible:
				fmt.Fprintf(p.out, "compatible: it could be the next version of %s\n", subject)
			default:
				fmt.Fprintln(p.out, strings.Join(answer.Messages, "\n"))
			}
			if err == nil && !answer.Compatible {
				err = &Failure{failed, fmt.Errorf("it would break whoever uses %s", subject), "sagactl schemas show " + subject}
			}
			return err
		}),
	}
	forSubject(c, &subject)
	return c
}

func (p *program) schemasRegister() *cobra.Command {
	subject := ""
	c := &cobra.Command{
		Use: "register FILE", Short: "Registers a schema as the next version of a subject.", Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			client, schema, err := p.schemaIn(c, args[0])
			if err != nil {
				return err
			}
			if _, err := client.Register(c.Context(), subject, schema); err != nil {
				return unregistered(err)
			}
			registered, err := client.LookUp(c.Context(), subject, schema)
			if err != nil {
				return unregistered(err)
			}
			if p.output == "json" {
				return p.json(registered)
			}
			fmt.Fprintf(p.out, "%s version %d, id %d\n", registered.Subject, registered.Version, registered.ID)
			return nil
		}),
	}
	forSubject(c, &subject)
	return c
}

func (p *program) schemasConfig() *cobra.Command {
	mode := ""
	c := &cobra.Command{
		Use: "config [SUBJECT]", Short: "Shows or sets the compatibility mode, of a subject or of all that have none.", Args: cobra.MaximumNArgs(1),
		Example: "  sagactl schemas config --set FULL_TRANSITIVE",
		RunE: runs(func(c *cobra.Command, args []string) error {
			client, err := p.registry()
			if err != nil {
				return err
			}
			subject := strings.Join(args, "")
			if mode != "" {
				if err := client.SetMode(c.Context(), subject, mode); err != nil {
					return unregistered(err)
				}
			}
			now, err := client.Mode(c.Context(), subject)
			if err != nil {
				return unregistered(err)
			}
			if p.output == "json" {
				return p.json(map[string]string{"subject": subject, "mode": now})
			}
			fmt.Fprintln(p.out, now)
			return nil
		}),
	}
	c.Flags().StringVar(&mode, "set", "", "NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE")
	return c
}

func forSubject(c *cobra.Command, subject *string) {
	c.Flags().StringVar(subject, "subject", "", "the subject: an event's type, such as saga.payment.PaymentProcessed.v1")
	_ = c.MarkFlagRequired("subject")
}
