// Package sagactl is the command line of ordersaga: it runs the demo, places orders, shows their sagas as
// they happen, arms faults, and checks what must hold. It drives any running system, the embedded one or the
// containers, by the addresses in run.json or the environment.
package sagactl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"example.com/ordersaga/internal/version"
)

// Exit codes; docs/reference/operations.md has them for readers.
const (
	ok          = 0
	failed      = 1 // something was checked or asked for, and the answer is no
	usage       = 2 // the command line is wrong
	unreachable = 3 // no system answers, or not in time
)

// Terminal is where the program is used. Out and Err decide about colours by what they are and by the
// environment (NO_COLOR, CLICOLOR_FORCE, TERM).
type Terminal struct {
	Out, Err io.Writer
	Environ  []string
}

// Failure is an error with an exit code and a command that helps.
type Failure struct {
	Code int
	Err  error
	Next string // what to run now
}

// Error is what failed.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Run runs a command line and returns the exit code.
func Run(ctx context.Context, args []string, t Terminal) int {
	p := &program{
		raw: t.Out, environ: t.Environ, line: "sagactl",
		out: colorprofile.NewWriter(t.Out, t.Environ), err: colorprofile.NewWriter(t.Err, t.Environ),
	}
	for _, arg := range args {
		p.line += " " + shell(arg)
	}
	root := p.root() //nolint:contextcheck // commands get their context from cobra, when they run
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ok
	}
	var failure *Failure
	if !errors.As(err, &failure) { // what cobra itself finds wrong
		failure = &Failure{usage, err, command.CommandPath() + " --help"}
	}
	if failure.Err != nil {
		fmt.Fprintf(p.err, "sagactl: %v\n", failure.Err)
	}
	if failure.Next != "" {
		fmt.Fprintf(p.err, "try: %s\n", p.sameSystem(root, failure.Next))
	}
	return failure.Code
}

// sameSystem is a suggested command about the system that was named in this one.
func (p *program) sameSystem(root *cobra.Command, next string) string {
	rest, ours := strings.CutPrefix(next, "sagactl ")
	if !ours || !root.PersistentFlags().Changed("file") || strings.Contains(next, "--file") ||
		strings.HasSuffix(next, "--help") {
		return next
	}
	return "sagactl --file " + shell(p.file) + " " + rest
}

// shell is a word as a shell has to be given it.
func shell(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=@%+,", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// program is what the commands share.
type program struct {
	out, err io.Writer
	raw      io.Writer // Out itself, for asking how wide it is
	environ  []string
	line     string // what was called, as a shell has to be given it
	file     string // where the system describes itself
	output   string // table or json
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sagactl",
		Short:         "Runs, drives and checks ordersaga: orders as sagas over four services.",
		SilenceErrors: true, // Run prints them
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if p.output != "table" && p.output != "json" {
				return fmt.Errorf("-o must be table or json, not %q", p.output)
			}
			return nil
		},
		Long: `Runs, drives and checks ordersaga: orders as sagas over four services.

The system to drive is the one described in .ordersaga/run.json, which make demo and make up write.
ORDERSAGA_FILE or --file name another one; ORDERSAGA_ORDER_URL and the like override single addresses.

Exit codes: 0 done, 1 a check failed or a request was refused, 2 usage, 3 the system does not answer.`,
	}
	root.PersistentFlags().StringVar(&p.file, "file", p.defaultFile(), "the description of the running system")
	root.PersistentFlags().StringVarP(&p.output, "output", "o", "table", "table or json")
	root.AddCommand(p.demo(), p.order(), p.watch(), p.trace(), p.stock(), p.verify(), p.faults(), p.kill(),
		p.sql(), p.database(), p.lab(), p.incidents(), p.deadLetters(), p.bench(), p.conformance(), p.contracts(),
		p.schemas(), p.publish(),
		p.wrong(), p.quality(), p.natsConf(), p.version())
	return root
}

func (p *program) version() *cobra.Command {
	return command("version", "Prints the version of this program.", cobra.NoArgs,
		func(context.Context, []string) error {
			answer := map[string]string{"version": version.Number, "build": version.String()}
			return p.show(answer, func() { fmt.Fprintln(p.out, "sagactl "+version.String()) })
		})
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	help := func(c *cobra.Command, _ []string) error { return c.Help() }
	g := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: help}
	g.AddCommand(commands...)
	return g
}
