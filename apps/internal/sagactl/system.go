package sagactl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
)

func (p *program) getenv(name string) string {
	for _, variable := range p.environ {
		if key, value, _ := strings.Cut(variable, "="); key == name {
			return value
		}
	}
	return ""
}

func (p *program) defaultFile() string {
	return cmp.Or(p.getenv("ORDERSAGA_FILE"), endpoints.DefaultFile)
}

// system is the running system that the command is to drive.
func (p *program) system() (endpoints.Description, error) {
	system, err := endpoints.Find(p.file, p.environ)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("no system is running: there is no %s", p.file)
		return system, &Failure{unreachable, err, "make demo   (or docker compose up, or name another one with --file)"}
	}
	if err != nil {
		return system, &Failure{usage, err, "sagactl --file another/run.json …"}
	}
	return system, nil
}

func (p *program) client() (*client.Client, error) {
	system, err := p.system()
	if err != nil {
		return nil, err
	}
	s, err := client.New(system)
	if err != nil {
		return nil, &Failure{usage, err, "sagactl --file another/run.json …"}
	}
	return s, nil
}

// request is a command that makes one request to the public APIs and prints the answer. Next is what helps when
// the request is refused; "ORDER" in it becomes the first argument.
func request[T any](
	p *program, use, short string, args cobra.PositionalArgs, next string,
	do func(context.Context, *client.Client, []string) (T, error), show func(T) error,
) *cobra.Command {
	return command(use, short, args, func(ctx context.Context, args []string) error {
		s, err := p.client()
		if err != nil {
			return err
		}
		answer, err := do(ctx, s, args)
		if err != nil {
			return asked(err, strings.ReplaceAll(next, "ORDER", strings.Join(args, " ")))
		}
		return show(answer)
	})
}

// asked gives an error of a request its exit code: the system refused it, or it did not answer.
func asked(err error, next string) error {
	var failure *Failure
	var refused *endpoints.Refused
	var request *url.Error
	var network net.Error
	switch {
	case err == nil, errors.As(err, &failure):
		return err
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return &Failure{failed, err, "sagactl --file another/run.json …   (the token is that of another system)"}
	case errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
		return &Failure{failed, err, "the same again in a moment"}
	case errors.As(err, &request), errors.As(err, &network):
		return unanswered(err)
	}
	return &Failure{failed, err, next}
}

// unanswered is that nobody answered, with what helps: what is only slow need not be started.
func unanswered(err error) *Failure {
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		const logs = "docker compose logs, or .ordersaga/logs"
		return &Failure{unreachable, err, "the same again   (it takes connections and did not answer in time: " + logs + ")"}
	}
	const next = "make demo   (or docker compose up; a system that has ended leaves a stale description)"
	return &Failure{unreachable, err, next}
}

// json prints a value for another program to read.
func (p *program) json(value any) error {
	encoder := json.NewEncoder(p.raw)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// progress is where what happens is shown: not among JSON.
func (p *program) progress() io.Writer {
	if p.output == "json" {
		return p.err
	}
	return p.out
}

// show prints an answer: as JSON for programs, or by lines for people.
func (p *program) show(answer any, lines func()) error {
	if p.output == "json" {
		return p.json(answer)
	}
	lines()
	return nil
}

// showTable prints an answer: as JSON for programs, or its items as the rows of a table for people.
func showTable[T any](p *program, answer any, headings string, items []T, row func(T) []string) error {
	return p.show(answer, func() {
		rows := [][]string{strings.Split(headings, ",")}
		for _, item := range items {
			rows = append(rows, row(item))
		}
		table(p.out, p.width(), rows)
	})
}

// showList prints a list as all lists are printed: as JSON an object with the items under their name, and where the
// next page begins (null: nowhere); or a table for people, with the command that shows more.
func showList[T any](
	p *program, name, headings string, items []T, next *string, row func(T) []string,
) error {
	if p.output == "json" {
		return p.json(map[string]any{name: append([]T{}, items...), "next": next})
	}
	err := showTable(p, nil, headings, items, row)
	p.showMore("--after", next)
	return err
}

// showMore prints the command that was called, for the next page, if there is one.
func (p *program) showMore(flag string, next *string) {
	if next != nil {
		line := regexp.MustCompile(` `+flag+`[ =]\S+`).ReplaceAllString(p.line, "")
		fmt.Fprintln(p.out, faint.Render("more: "+line+" "+flag+" "+shell(*next)))
	}
}

// width is how many columns the terminal has; 0: it is none, so nothing is to be cut.
func (p *program) width() int {
	if columns, err := strconv.Atoi(p.getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	file, is := p.raw.(*os.File)
	if !is {
		return 0
	}
	width, _, err := term.GetSize(file.Fd())
	if err != nil {
		return 0
	}
	return width
}

// command makes a command of a function.
func command(
	use, short string, args cobra.PositionalArgs, run func(context.Context, []string) error,
) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: runs(func(c *cobra.Command, args []string) error {
		return run(c.Context(), args)
	})}
}

// runs adapts a command's function: an error that carries no exit code of its own gets 1, so that cobra's
// own errors are recognised as those of usage.
func runs(run func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := run(c, args)
		var failure *Failure
		if err == nil || errors.As(err, &failure) {
			return err
		}
		return &Failure{Code: failed, Err: err}
	}
}
