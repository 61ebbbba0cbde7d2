package sagactl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/demo"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

// play are the flags of the demo.
type play struct {
	once   bool
	scenes string
	system supervisor.Options
	ports  []string
	more   []string // environment, as process:NAME=value
	many   map[string]int
	loud   slog.LevelVar // the level from which on the supervisor's log is shown
}

// consolePort is where the console is looked for first.
const consolePort = 8080

func (p *program) demo() *cobra.Command {
	var d play
	c := &cobra.Command{
		Use:   "demo",
		Short: "Runs the whole system on this machine, without containers, and plays scenes on it.",
		Long: `Runs the whole system as processes on this machine: Postgres, NATS, the card gateway, the ambassador and the
services. Then it plays scenes: orders that succeed, fail, are undone, and survive a kill. It shows their sagas as they
happen, what money and stock add up to, and whether everything holds that must. After that the system stays up, until
Ctrl-C, for the other commands.

With --without a service is not started, and orders wait for it: another program can take its place. What that needs
is printed. No scenes are played then, and an order has an hour unless --deadline gives it another time.`,
		Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			d.leaveOut(c.Flags().Changed)
			return p.runDemo(c.Context(), &d)
		}),
	}
	f := c.Flags()
	f.BoolVar(&d.once, "once", false, "end after the scenes, with the verdict as exit code")
	f.StringVar(&d.scenes, "scenes", "all", "all or none")
	f.StringVar(&d.system.Dir, "dir", "",
		"keeps data, logs and run.json; .ordersaga without, or the next one that is free")
	f.StringVar(&d.system.Bin, "bin", "", "holds the programs; without: where sagactl stands, or bin/ of the repository")
	f.BoolVar(&d.system.Keep, "keep", false, "go on with the data of the last run instead of removing them")
	f.DurationVar(&d.system.Deadline, "deadline", time.Minute, "how long an order may take before it is cancelled")
	f.BoolVar(&d.system.Faults, "faults", true, "open the admin listeners, behind a token, for arming faults")
	f.StringSliceVar(&d.ports, "port", nil, "a port instead of a free one, as order=8080")
	f.StringToIntVar(&d.many, "replicas", nil, "how many processes a service has, as order=2")
	f.StringSliceVar(&d.system.Without, "without", nil, "a service that is not started: its place is free, as shipping")
	f.BoolVar(&d.system.Translate, "translate", false,
		"the services know only OrderCreated v1, and the translator makes it of v2")
	f.BoolVar(&d.system.Sidecars, "sidecar", false,
		"run a telemetry sidecar beside each service: its spans, log and metrics leave by it alone")
	f.Float64Var(&d.system.Traces, "traces", 1, "the share of orders whose traces the console gets; 0: none is recorded")
	f.StringArrayVar(&d.more, "env", nil, "more environment for a process, as payment:LOG_LEVEL=DEBUG")
	return c
}

func (p *program) runDemo(ctx context.Context, d *play) error {
	if err := d.complete(); err != nil {
		return err
	}
	deaths := make(chan supervisor.Death, 16)
	d.system.Log = slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: &d.loud}))
	if d.scenes == "all" { // the scenes show who dies; afterwards the log does
		d.loud.Set(slog.LevelError)
		d.system.Died = func(death supervisor.Death) {
			select {
			case deaths <- death:
			default: // nobody is looking any more
			}
		}
	}
	s, err := p.startSystem(ctx, d)
	if err != nil {
		return err
	}
	verdict := p.present(ctx, d, s, deaths)
	if err := s.Stop(context.WithoutCancel(ctx)); err != nil && verdict == nil {
		return err
	}
	return verdict
}

// present plays the scenes and stays, until Ctrl-C, unless it was to be once.
func (p *program) present(ctx context.Context, d *play, s *supervisor.System, deaths <-chan supervisor.Death) error {
	var verdict error
	if d.scenes == "all" {
		verdict = p.playScenes(ctx, s, deaths)
		d.loud.Set(slog.LevelWarn)
	}
	interrupted := ctx.Err() != nil
	switch {
	case interrupted: // Ctrl-C in the middle is no failure of the scenes
		return &Failure{Code: failed, Err: errors.New("interrupted")}
	case d.once:
		return verdict
	}
	if err := s.Publish(); err != nil {
		return err
	}
	p.showAddresses(s.Describe(), verdict)
	for _, service := range d.system.Without {
		if err := p.showPlace(s, events.Service(service)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	fmt.Fprintln(p.out, "\nending")
	return verdict
}

// playScenes shows the scenes and their sums, and checks everything.
func (p *program) playScenes(ctx context.Context, s *supervisor.System, deaths <-chan supervisor.Death) error {
	stage, err := demo.NewStage(p.out, p.width(), s, deaths)
	if err != nil {
		return err
	}
	defer stage.Close()
	if err := stage.Play(ctx); err != nil {
		return err
	}
	report, err := verify.Check(ctx, s.Describe(), verify.Options{AtRest: true, Within: time.Minute, Secrets: s.Secrets()})
	if err != nil {
		return err
	}
	if err := stage.Sums(ctx); err != nil {
		return err
	}
	if err := stage.Mails(ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "\n"+strong.Render("What must hold"))
	showReport(p.out, p.width(), report)
	if !report.Holds {
		return errors.New("the system is not as it must be")
	}
	return nil
}

// startSystem starts the system in the wanted directory; when none is wanted, in the first that is free.
func (p *program) startSystem(ctx context.Context, d *play) (*supervisor.System, error) {
	began := time.Now()
	fmt.Fprintln(p.progress(), faint.Render("starting Postgres, NATS, the gateway, the ambassador and the services"))
	explicit := d.system.Dir != ""
	base := filepath.Dir(endpoints.DefaultFile)
	for n := 1; ; n++ {
		o := d.system
		if !explicit {
			o.Dir = base
			if n > 1 {
				o.Dir = filepath.Join(base, strconv.Itoa(n))
			}
		}
		s, err := supervisor.Start(ctx, o)
		if errors.Is(err, supervisor.ErrInUse) && !explicit && n < 10 {
			continue
		}
		if err != nil {
			return nil, &Failure{failed, err, hint(err, o.Dir)}
		}
		fmt.Fprintln(p.progress(), faint.Render(fmt.Sprintf("ready after %.1f s", time.Since(began).Seconds())))
		return s, nil
	}
}

// hint is what to run when the system does not start.
func hint(err error, dir string) string {
	switch text := err.Error(); {
	case errors.Is(err, supervisor.ErrInUse):
		return "sagactl demo --dir another-directory"
	case strings.Contains(text, "lacks the program telemetry"):
		return "make sidecar"
	case strings.Contains(text, "lacks the programs"):
		return "make build"
	case strings.Contains(text, "PostgreSQL"):
		return "PG_BINDIR=/path/to/postgresql/bin make demo"
	}
	return "tail " + filepath.Join(dir, "logs", "*.log")
}

func (d *play) complete() error {
	if d.scenes != "all" && d.scenes != "none" {
		return &Failure{usage, fmt.Errorf("--scenes must be all or none, not %q", d.scenes), "sagactl demo --help"}
	}
	if err := d.checkPlaces(); err != nil {
		return &Failure{usage, err, "sagactl demo --without shipping"}
	}
	d.system.Replicas, d.system.Ports, d.system.Env = d.many, map[string]int{}, map[string]map[string]string{}
	d.system.Prefer = map[string]int{supervisor.Console: consolePort}
	for _, text := range d.ports {
		process, number, _ := strings.Cut(text, "=")
		port, err := strconv.Atoi(number)
		if err != nil || port < 1 || port > 65535 {
			return &Failure{usage, fmt.Errorf("--port %s is not process=port", text), "sagactl demo --port order=8080"}
		}
		d.system.Ports[process] = port
	}
	for _, text := range d.more {
		process, variable, isFor := strings.Cut(text, ":")
		name, value, isSet := strings.Cut(variable, "=")
		if !isFor || !isSet {
			return &Failure{usage, fmt.Errorf("--env %s is not process:NAME=value", text),
				"sagactl demo --env payment:LOG_LEVEL=DEBUG"}
		}
		if d.system.Env[process] == nil {
			d.system.Env[process] = map[string]string{}
		}
		d.system.Env[process][name] = value
	}
	return nil
}

func (p *program) showAddresses(where endpoints.Description, verdict error) {
	if verdict != nil {
		fmt.Fprintln(p.err, bad.Render("the scenes did not end as they should: ")+verdict.Error())
	}
	fmt.Fprintln(p.out, "\n"+strong.Render("The system stays up until Ctrl-C"))
	for _, service := range events.Consumers {
		fmt.Fprintf(p.out, "  %-12s %s\n", service, where.URLs[string(service)])
	}
	fmt.Fprintf(p.out, "  %-12s %s\n", endpoints.Gateway, where.URLs[endpoints.Gateway])
	fmt.Fprintf(p.out, "  %-12s %s/messages\n", "mails", where.URLs[endpoints.Mail])
	fmt.Fprintf(p.out, "  %-12s %s\n", "console", strong.Render(where.URLs[endpoints.Console]))
	file := filepath.Join(filepath.Dir(where.Logs), filepath.Base(endpoints.DefaultFile))
	which := ""
	if inDefault, err := filepath.Abs(endpoints.DefaultFile); err != nil || inDefault != file {
		which = " --file " + file
	}
	fmt.Fprintf(p.out, "  %-12s %s\n\n", "logs", where.Logs)
	for _, command := range []string{"order place --sku widget --wait", "watch", "verify --at-rest"} {
		fmt.Fprintf(p.out, "  bin/sagactl %s%s\n", command, which)
	}
}
