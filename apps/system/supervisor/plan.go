package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// member is one process of our own programs: what it is called, which program it runs, where it listens.
type member struct {
	name    string // order, order-2, gateway, …
	program string
	http    int       // port; 0: none
	admin   int       // the same
	smtp    int       // the same
	free    bool      // it is not started: its place is free for another program
	of      string    // the process whose sidecar it is; empty: it is none
	side    sidePorts // of a sidecar
	// kept holds the HTTP port until the process starts, so that no other program takes it; nil: it is not held.
	kept net.Listener
}

// members lists the processes and gives each its ports. The provisioner comes first, since the others wait for its
// stream.
func members(o Options) ([]member, error) {
	all := []member{{name: Provisioner, program: Provisioner}}
	taken := map[int]bool{}
	for _, program := range httpNames() {
		for n := range max(1, o.Replicas[program]) {
			m := member{name: program, program: program, free: slices.Contains(o.Without, program)}
			if n > 0 {
				m.name = fmt.Sprintf("%s-%d", program, n+1)
			}
			var err error
			if m.http, err = port(o.Ports[m.name], taken); err != nil {
				return nil, err
			}
			if m.admin, err = port(0, taken); err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	others, err := besides(o, taken)
	if all = append(all, others...); err == nil && o.Sidecars {
		others, err = sidecars(all, taken)
		all = append(all, others...)
	}
	return all, err
}

// besides are the processes that have neither replicas nor an admin listener.
func besides(o Options, taken map[int]bool) (all []member, err error) {
	post := member{name: Mail, program: mailsink}
	if post.smtp, err = port(0, taken); err != nil {
		return nil, err
	}
	all = append(all, post, member{name: Console, program: Console}, member{name: Registry, program: Registry})
	if o.Translate {
		all = append(all, member{name: Translator, program: Translator})
	}
	for i := range all {
		if err := all[i].listen(o, taken); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// environmentOf is the environment of a process. What the options have for its service, and for itself, comes last.
func (s *System) environmentOf(m member) map[string]string {
	env := map[string]string{}
	if m.http != 0 {
		env["HTTP_ADDR"] = address(m.http)
	}
	if m.admin != 0 {
		env["ADMIN_ADDR"] = address(m.admin)
		env["ADMIN_TOKEN"] = s.secrets[adminToken]
	}
	s.tracesEnvironment(m, env)
	switch m.program {
	case Provisioner:
		env["NATS_URL"] = s.natsURL(Provisioner)
		if s.options.Translate {
			env["TRANSLATED"] = events.OrderCreatedV2{}.Type().String()
		}
	case Translator, Registry:
		env["NATS_URL"] = s.natsURL(m.program)
	case Gateway:
		env["LEDGER_FILE"] = filepath.Join(s.folder.data, "gateway", "ledger.jsonl")
	case Console:
		s.consoleEnvironment(env)
	case Telemetry:
		s.sidecarEnvironment(m, env)
	case mailsink:
		env["SMTP_ADDR"] = address(m.smtp)
	case Ambassador:
		env["GATEWAY_URLS"] = strings.Join(s.urlsOf(Gateway), ",")
	default:
		s.serviceEnvironment(events.Service(m.program), m.name, env)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(env, s.env[m.program])
	maps.Copy(env, s.env[m.name])
	return env
}

func (s *System) serviceEnvironment(service events.Service, process string, env map[string]string) {
	database := s.databases[service]
	env["DATABASE_URL"], env["MIGRATIONS_URL"] = database.URL, database.OwnerURL
	env["NATS_URL"] = s.natsURL(string(service))
	env["SCHEMA_REGISTRY_URL"] = s.urlsOf(Registry)[0]
	if s.options.Faults {
		env["FAULTS_ENABLED"] = "true"
		env["FAULTS_LOG"] = filepath.Join(s.folder.logs(), process+".faults") // lists the crashes on purpose
	}
	switch service {
	case events.Payment:
		env["GATEWAY_URL"] = s.urlsOf(Ambassador)[0]
	case events.Order:
		for _, other := range events.Services[1:] {
			env[strings.ToUpper(string(other))+"_URL"] = s.urlsOf(string(other))[0]
		}
		if s.options.Deadline > 0 {
			env["ORDER_DEADLINE"] = s.options.Deadline.String()
		}
	case events.Notification:
		i := slices.IndexFunc(s.members, func(m member) bool { return m.smtp != 0 })
		env["SMTP_ADDR"] = address(s.members[i].smtp)
	default: // the others call no other process
	}
}

// tracesEnvironment has spans sent to the console, so soon that a page shows them with the order's end.
// The console, which takes them, has none of its own.
func (s *System) tracesEnvironment(m member, env map[string]string) {
	if m.program == Telemetry {
		return
	}
	if s.options.Traces == 0 || m.program == Console {
		env["OTEL_SDK_DISABLED"] = "true"
		return
	}
	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = s.collector()
	if s.options.Sidecars && slices.Contains(events.Consumers, events.Service(m.program)) {
		env["OTEL_EXPORTER_OTLP_ENDPOINT"] = url(s.member(SidecarOf(m.name)).side.otlp)
	}
	env["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio"
	env["OTEL_TRACES_SAMPLER_ARG"] = strconv.FormatFloat(s.options.Traces, 'g', -1, 64)
	env["OTEL_BSP_SCHEDULE_DELAY"] = "250" // ms
	env["OTEL_BSP_MAX_QUEUE_SIZE"], env["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "16384", "2048"
}

// collector is where spans end up: where the options or our own environment want them, or in the console.
func (s *System) collector() string {
	return cmp.Or(s.options.TracesTo, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), s.urlsOf(Console)[0]+"/otlp")
}

// consoleEnvironment has the addresses that the console reads from.
func (s *System) consoleEnvironment(env map[string]string) {
	env["ORDERSAGA_NATS"] = s.natsURL(natsadmin.Console)
	env["ORDERSAGA_ADMIN_TOKEN"] = s.secrets[adminToken]
	for service, database := range s.databases {
		env["ORDERSAGA_"+strings.ToUpper(string(service))+"_DATABASE"] = database.AuditURL
	}
	for _, m := range s.members {
		name := "ORDERSAGA_" + strings.ToUpper(m.name)
		if m.http != 0 && m.program != Console {
			env[name+"_URL"] = url(m.http)
		}
		if m.admin != 0 {
			env[name+"_ADMIN"] = url(m.admin)
		}
	}
}

func (s *System) natsURL(user string) string {
	return s.nats.URL(user, s.secrets["nats_"+user])
}

// urlsOf are the addresses of all replicas of a program.
func (s *System) urlsOf(program string) []string {
	var urls []string
	for _, m := range s.members {
		if m.program == program && m.http != 0 {
			urls = append(urls, url(m.http))
		}
	}
	return urls
}

// Environment is the environment of a process.
func (s *System) Environment(name string) (map[string]string, error) {
	for _, m := range s.members {
		if m.name == name {
			return s.environmentOf(m), nil
		}
	}
	return nil, fmt.Errorf("there is no program %q of ours", name)
}
