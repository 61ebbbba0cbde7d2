package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// limit is how long anything may take that is waited for, on a machine that is busy.
const limit = 30 * time.Second

// sidecarProcess is a running sidecar of the program that `make sidecar` has built.
type sidecarProcess struct {
	otlp, metrics string // addresses
	env           []string
	command       *exec.Cmd
	output        bytes.Buffer
}

// prepared is a sidecar that has not started yet, with a service's /metrics and log and an endpoint.
func prepared(t *testing.T, service, endpoint string, more ...string) *sidecarProcess {
	t.Helper()
	dir := t.TempDir()
	p := &sidecarProcess{otlp: freeAddress(t), metrics: freeAddress(t)}
	_, own, err := net.SplitHostPort(freeAddress(t))
	must(t, err)
	p.env = append([]string{
		"TELEMETRY_SERVICE=order", "TELEMETRY_INSTANCE=order-7", "TELEMETRY_SCRAPE=" + service + "/metrics",
		"TELEMETRY_LOG_FILE=" + filepath.Join(dir, "order.log"), "TELEMETRY_STATE_DIR=" + filepath.Join(dir, "state"),
		"TELEMETRY_ENDPOINT=" + endpoint, "TELEMETRY_OTLP_ADDR=" + p.otlp, "TELEMETRY_METRICS_ADDR=" + p.metrics,
		"TELEMETRY_OWN_PORT=" + own,
	}, more...)
	return p
}

// start runs it until the end of the test, and waits until it is ready.
func (p *sidecarProcess) start(t *testing.T) {
	t.Helper()
	p.command = program(context.WithoutCancel(t.Context()), t)
	p.command.Env, p.command.Stdout, p.command.Stderr = p.env, &p.output, &p.output
	must(t, p.command.Start())
	t.Cleanup(func() {
		if p.command.ProcessState == nil {
			p.end(t)
		}
		if t.Failed() {
			t.Log(p.output.String())
		}
	})
	eventually(t, "the sidecar to be ready", func() error { return errorOf(p.read("sidecar_service_up")) })
}

// end ends it as a person would; it must do so by itself.
func (p *sidecarProcess) end(t *testing.T) {
	t.Helper()
	must(t, p.command.Process.Signal(syscall.SIGTERM))
	if err := p.command.Wait(); err != nil {
		t.Errorf("the sidecar ended with %v", err)
	}
}

// logFile is the file whose lines it reads.
func (p *sidecarProcess) logFile() string { return p.variable("TELEMETRY_LOG_FILE") }

func (p *sidecarProcess) variable(name string) string {
	for _, variable := range p.env {
		if value, is := strings.CutPrefix(variable, name+"="); is {
			return value
		}
	}
	return ""
}

// read reads a family of its /metrics.
func (p *sidecarProcess) read(name string) (*dto.MetricFamily, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	if families[name] == nil {
		return nil, fmt.Errorf("there is no metric %s", name)
	}
	return families[name], nil
}

// sum adds all values of a counter or gauge for the signal's exporter; 0 while there is none.
func (p *sidecarProcess) sum(name string) (sum float64) {
	family, err := p.read(name)
	if err != nil {
		return 0
	}
	for _, m := range family.GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// program is the command without arguments.
func program(ctx context.Context, t *testing.T) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs("../bin/telemetry")
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no bin/telemetry: run `make sidecar`: %v", err)
	}
	return exec.CommandContext(ctx, path)
}

func TestSidecar_AWrongConfigurationIsOneLineAndExitCode2(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		overlay, env, want string
	}{
		"a key that there is not":      {overlay: "processors: {batch: {timout: 1s}}", want: "timout"},
		"a part that there is not":     {overlay: "receivers: {kafka: {}}", want: "kafka"},
		"a pipeline of nothing":        {overlay: "service: {pipelines: {traces: {receivers: [jaeger]}}}", want: "jaeger"},
		"no YAML":                      {overlay: "a: [", want: "yaml"},
		"no endpoint":                  {env: "TELEMETRY_ENDPOINT=", want: "endpoint"},
		"no address of the service's":  {env: "TELEMETRY_SCRAPE=order", want: "endpoint must be a URL"},
		"no file at all":               {env: "TELEMETRY_CONFIG=/nowhere/sidecar.yaml", want: "/nowhere/sidecar.yaml"},
		"an address that is none":      {env: "TELEMETRY_METRICS_ADDR=here", want: "endpoint must be an address"},
		"an exporter that there isn't": {env: "TELEMETRY_LOGS_TO=loki", want: "loki"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := prepared(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
			if test.env != "" {
				p.env = append(p.env, test.env)
			} else {
				p.env = append(p.env, "TELEMETRY_CONFIG="+overlay(t, test.overlay))
			}
			command := program(t.Context(), t)
			command.Env = p.env
			output, err := command.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("it ended with %v, not with exit code 2", err)
			}
			if strings.Count(string(output), "\n") != 1 || !strings.Contains(string(output), test.want) {
				t.Errorf("it wrote %q, not one line with %q", output, test.want)
			}
		})
	}
}

func TestSidecar_APortThatIsTakenIsExitCode1(t *testing.T) {
	t.Parallel()
	p := prepared(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	listener, err := net.Listen("tcp", p.otlp)
	must(t, err)
	defer listener.Close()
	command := program(t.Context(), t)
	command.Env = p.env
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), "address already in use") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestSidecar_HealthcheckAsksTheRunningOne(t *testing.T) {
	t.Parallel()
	endpoint := newEndpoint(t)
	p := prepared(t, "http://127.0.0.1:1", endpoint.URL)
	check := func() error {
		command := program(t.Context(), t)
		command.Args = append(command.Args, "healthcheck")
		command.Env = p.env
		return command.Run()
	}
	if check() == nil {
		t.Error("it is ready before it runs")
	}
	p.start(t)
	must(t, check())
	if up := p.sum("sidecar_service_up"); up != 0 {
		t.Errorf("of a service that is away it shows %v", up)
	}
}

// overlay is a file with configuration.
func overlay(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "overlay.yaml")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// freeAddress is one on loopback that was free just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	err := errors.New("never tried")
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if err = try(); err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
	t.Fatalf("waited %v for %s: %v", limit, what, err)
}

func errorOf(_ *dto.MetricFamily, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// appendLine adds a line to a file, as a service does to its log.
func appendLine(t *testing.T, file, line string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = io.WriteString(f, line+"\n")
	must(t, errors.Join(err, f.Close()))
}
