package sagactl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
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
func (p *program) system() (endpoints.System, error) {
	system, err := endpoints.Find(p.file, p.environ)
	if errors.Is(err, fs.ErrNotExist) {
		return system, &Failure{unreachable, fmt.Errorf("no system is running: there is no %s", p.file), "make demo   (or make up, or name another one with --file)"}
	}
	if err != nil {
		return system, &Failure{usage, err, "sagactl --file another/run.json …"}
	}
	return system, nil
}

func (p *program) shop() (*client.Shop, error) {
	system, err := p.system()
	if err != nil {
		return nil, err
	}
	s, err := client.Open(system)
	if err != nil {
		return nil, &Failure{usage, err, "sagactl --file another/run.json …"}
	}
	return s, nil
}

// asked wraps what went wrong with a request to the system: it said no, or it did not answer.
func asked(err error, next string) error {
	var refused *endpoints.Refused
	var unanswered *url.Error
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Status < 500:
		return &Failure{failed, err, next}
	case errors.As(err, &unanswered), errors.As(err, &network):
		return &Failure{unreachable, err, "make demo   (or make up; a system that has ended leaves a stale description)"}
	}
	return &Failure{failed, err, next}
}

// json prints a value for another program to read.
func (p *program) json(value any) error {
	encoder := json.NewEncoder(p.raw)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
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
