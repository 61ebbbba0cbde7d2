package supervisor

import (
	"path/filepath"
	"slices"
	"strconv"

	"example.com/ordersaga/pkg/events"
)

// sidePorts are where a sidecar listens, on loopback.
type sidePorts struct {
	otlp    int // takes the service's spans
	metrics int // shows the service's metrics, with the labels service and instance
	own     int // the same of the sidecar, without labels
}

// SidecarOf is the name of the sidecar of a service's process.
func SidecarOf(process string) string { return process + "-sidecar" }

// sidecars are those of the services' processes that are started.
func sidecars(all []member, taken map[int]bool) (side []member, err error) {
	for _, m := range all {
		if m.free || !slices.Contains(events.Consumers, events.Service(m.program)) {
			continue
		}
		s := member{name: SidecarOf(m.name), program: Telemetry, of: m.name}
		for _, listener := range []*int{&s.side.otlp, &s.side.metrics, &s.side.own} {
			if *listener, err = port(0, taken); err != nil {
				return nil, err
			}
		}
		side = append(side, s)
	}
	return side, nil
}

// sidecarEnvironment has whose sidecar it is, what it reads, and where it sends spans: to the console, or where our own
// environment wants everything sent.
func (s *System) sidecarEnvironment(m member, env map[string]string) {
	service := s.member(m.of)
	env["TELEMETRY_SERVICE"], env["TELEMETRY_INSTANCE"] = service.program, service.name
	env["TELEMETRY_SCRAPE"] = url(service.http) + "/metrics"
	env["TELEMETRY_LOG_FILE"] = s.logOf(service)
	env["TELEMETRY_STATE_DIR"] = filepath.Join(s.folder.data, Telemetry, service.name)
	env["TELEMETRY_ENDPOINT"] = s.collector()
	env["TELEMETRY_OTLP_ADDR"], env["TELEMETRY_METRICS_ADDR"] = address(m.side.otlp), address(m.side.metrics)
	env["TELEMETRY_OWN_PORT"] = strconv.Itoa(m.side.own)
	env["GOMEMLIMIT"] = "128MiB"
}

func (s *System) member(name string) member {
	return s.members[slices.IndexFunc(s.members, func(m member) bool { return m.name == name })]
}

// logOf is the file with what a process writes.
func (s *System) logOf(m member) string { return filepath.Join(s.folder.logs(), m.name+".log") }
