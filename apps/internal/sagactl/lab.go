package sagactl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/lab"
)

// guided is a lab in which a person is, and what is stored of it between two commands.
type guided struct {
	Lab    string   `json:"lab"`    // the page's name
	Next   int      `json:"next"`   // the block that the person is at; -1: the page is done
	Dir    string   `json:"dir"`    // LAB
	PID    int      `json:"pid"`    // of the system
	Values []string `json:"values"` // NAME=value, that solved blocks have set

	file   string
	page   *lab.Page
	system *lab.System
}

func (p *program) lab() *cobra.Command {
	file := ""
	step := func(use, short string, do func(context.Context, *guided) error) *cobra.Command {
		return command(use, short, cobra.NoArgs, func(ctx context.Context, _ []string) error {
			g, err := resume(ctx, file)
			if err != nil {
				return err
			}
			return do(ctx, g)
		})
	}
	g := group("lab", "Leads you through a lab of docs/labs.",
		command("list", "Lists the labs.", cobra.NoArgs, func(context.Context, []string) error { return p.labList() }),
		command("start NUMBER", "Starts a lab: its system, in the background, and its first task.", cobra.ExactArgs(1),
			func(ctx context.Context, args []string) error { return p.labStart(ctx, file, args[0]) }),
		step("check", "Looks whether you have done the task, and goes on to the next one.", p.labCheck),
		step("hint", "Prints the commands of the task.", p.labHint),
		step("solve", "Runs the commands of the task for you, and goes on to the next one.", p.labSolve),
		step("reset", "Ends the lab and removes what is left of it.", p.labReset))
	g.PersistentFlags().StringVar(&file, "state", ".ordersaga/lab.json", "keeps the lab that you are in")
	return g
}

// pages are the paths of the labs.
func pages() ([]string, error) {
	found, err := filepath.Glob(filepath.Join("docs", "labs", "[0-9][0-9]-*.md"))
	if err == nil && len(found) == 0 {
		err := errors.New("there are no labs here: there is no docs/labs")
		return nil, &Failure{usage, err, "cd to the root of the repository"}
	}
	return found, err
}

func readLab(path string) (*lab.Page, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a lab: %w", err)
	}
	return lab.Parse(path, source)
}

func (p *program) labList() error {
	paths, err := pages()
	if err != nil {
		return err
	}
	type row struct {
		Title string `json:"title"`
		Page  string `json:"page"`
	}
	var rows []row
	for _, path := range paths {
		page, err := readLab(path)
		if err != nil {
			return err
		}
		rows = append(rows, row{page.Title, path})
	}
	return showList(p, "labs", "LAB,PAGE", rows, nil, func(r row) []string { return []string{r.Title, r.Page} })
}

func (p *program) labStart(ctx context.Context, file, number string) error {
	paths, err := pages()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(paths, func(path string) bool {
		return strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%02s-", number))
	})
	if i < 0 {
		return &Failure{usage, fmt.Errorf("there is no lab %q", number), "sagactl lab list"}
	}
	if in, _ := load(file); in != nil {
		return &Failure{failed, fmt.Errorf("you are in %s", in.Lab), "sagactl lab reset"}
	}
	g := &guided{Lab: paths[i], file: file}
	if g.page, err = readLab(g.Lab); err != nil {
		return err
	}
	if g.system, err = lab.NewSystem(ctx, "."); err != nil {
		return err
	}
	g.system.Stays, g.Dir, g.Next = true, g.system.Dir, g.page.Next(0)
	if b := g.page.Start(); b != nil {
		fmt.Fprintln(p.out, faint.Render("starting the system"))
		if err := g.system.Start(ctx, b.Text); err != nil {
			return errors.Join(err, g.system.Close(context.WithoutCancel(ctx)))
		}
		g.PID = g.system.PID()
	}
	predict, _, _ := strings.Cut(g.page.Prose("Predict"), "<details>")
	fmt.Fprintf(p.out, "\n%s\n\n%s\n\n%s\n\nType this first, so that your commands find the lab, and the lab your "+
		"variables:\n\n  export LAB=%s\n  export ORDERSAGA_FILE=\"$LAB/run.json\"\n  set -a\n",
		strong.Render(g.page.Title), g.page.Prose("Question"), strings.TrimSpace(predict), shell(g.Dir))
	if err := p.labTask(g); err != nil {
		return errors.Join(err, g.system.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// labTask prints what is to be done next, and stores it.
func (p *program) labTask(g *guided) error {
	if g.Next < 0 {
		done := good.Render("You are done.")
		fmt.Fprintf(p.out, "\n%s Read \"Explain\" in %s, and then: bin/sagactl lab reset\n", done, g.Lab)
	} else {
		b := &g.page.Blocks[g.Next]
		task := cmp.Or(b.Before, "And then? bin/sagactl lab hint prints the commands.")
		fmt.Fprintf(p.out, "\n%s\n\n%s\n", strong.Render(b.Section), task)
	}
	text, err := json.MarshalIndent(g, "", "  ")
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(g.file), 0o755), os.WriteFile(g.file, text, 0o600))
	}
	if err != nil {
		return fmt.Errorf("store where you are: %w", err)
	}
	return nil
}

// labHint prints the next block.
func (p *program) labHint(_ context.Context, g *guided) error {
	if g.Next < 0 {
		return p.labTask(g)
	}
	fmt.Fprintln(p.out, g.page.Blocks[g.Next].Command())
	return nil
}

// patience is how long a check waits for what an expectation waits for.
const patience = 10 * time.Second

// labCheck looks at the blocks of the section that change nothing. Whether the others were run is seen there.
func (p *program) labCheck(ctx context.Context, g *guided) error {
	if g.Next < 0 {
		return p.labTask(g)
	}
	r, err := g.open()
	if err != nil {
		return err
	}
	defer r.Close()
	section, unseen := g.page.Blocks[g.Next].Section, false // the last block was only to be run
	for i := g.Next; i >= 0 && g.page.Blocks[i].Section == section; i = g.page.Next(i + 1) {
		b := &g.page.Blocks[i]
		if unseen = !b.Looks(); unseen {
			continue
		}
		if unset := g.page.Unset(b, append(os.Environ(), g.Values...)); len(unset) > 0 {
			return p.notYet(g, strings.Join(unset, ", ")+" is not set here: type `set -a`, and set it again")
		}
		b.Expect.Until = min(b.Expect.Until, patience)
		result, err := r.Step(ctx, b)
		if err != nil {
			return err
		}
		fmt.Fprint(p.out, result.Output)
		if red := b.Expect.Name; result.Missing != "" && red != "" && red == g.page.Break().Flags["red"] {
			result.Missing += "; have you done what stands under Break?"
		}
		if result.Missing != "" {
			return p.notYet(g, result.Missing)
		}
		g.Next = i
	}
	if unseen {
		fmt.Fprintln(p.out, faint.Render("What comes next shows whether you have done it."))
	}
	for g.Next >= 0 && g.page.Blocks[g.Next].Section == section {
		g.Next = g.page.Next(g.Next + 1)
	}
	return p.labTask(g)
}

// notYet is that the task is not done. The prose of the page is the hint.
func (p *program) notYet(g *guided, what string) error {
	failure := &Failure{failed, errors.New("not yet: " + what), "sagactl lab hint   (the commands)"}
	return errors.Join(failure, p.labTask(g))
}

func (p *program) labSolve(ctx context.Context, g *guided) error {
	if g.Next < 0 {
		return p.labTask(g)
	}
	r, err := g.open()
	if err != nil {
		return err
	}
	defer r.Close()
	b := &g.page.Blocks[g.Next]
	fmt.Fprintln(p.out, b.Command())
	result, err := r.Step(ctx, b)
	if err != nil {
		return err
	}
	fmt.Fprint(p.out, result.Output)
	if result.Missing != "" {
		return p.notYet(g, result.Missing)
	}
	before := g.Values
	if g.Values, err = r.Values(ctx); err != nil {
		return err
	}
	for _, value := range g.Values {
		if !slices.Contains(before, value) {
			fmt.Fprintf(p.out, "%s export %s\n", faint.Render("for your terminal:"), shell(value))
		}
	}
	g.Next = g.page.Next(g.Next + 1)
	return p.labTask(g)
}

// labReset runs the page's cleanup, as far as it goes, and removes everything.
func (p *program) labReset(ctx context.Context, g *guided) error {
	if b := g.page.Cleanup(); b != nil && g.system.Runs() {
		r, err := g.open()
		if err != nil {
			return err
		}
		_, err = r.Step(ctx, b)
		r.Close()
		if err != nil {
			fmt.Fprintln(p.err, err)
		}
	}
	if err := errors.Join(g.system.Close(ctx), os.Remove(g.file)); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "Nothing is left of "+g.Lab+".")
	return nil
}

// open opens a shell that has what solved blocks have set, unless the person has set it anew.
func (g *guided) open() (*lab.Runner, error) {
	if g.page.Start() != nil && !g.system.Runs() {
		err := fmt.Errorf("the system of %s has ended", g.Lab)
		return nil, &Failure{unreachable, err, "sagactl lab reset   (and start again)"}
	}
	values := slices.DeleteFunc(slices.Clone(g.Values), func(value string) bool {
		name, _, _ := strings.Cut(value, "=")
		return os.Getenv(name) != ""
	})
	return lab.Open(g.page, lab.Options{Shared: g.system, Environ: values})
}

// load reads what is stored; nil: there is no lab under way.
func load(file string) (*guided, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Failure{failed, errors.New("you are in no lab"), "sagactl lab start 1"}
	}
	g := &guided{file: file}
	if err == nil {
		err = json.Unmarshal(text, g)
	}
	if err != nil {
		return nil, fmt.Errorf("read where you are: %w", err)
	}
	return g, nil
}

// resume is the lab that is under way.
func resume(ctx context.Context, file string) (*guided, error) {
	g, err := load(file)
	if err != nil {
		return nil, err
	}
	if g.page, err = readLab(g.Lab); err != nil {
		return nil, err
	}
	g.system, err = lab.Attach(ctx, ".", g.Dir, g.PID)
	return g, err
}
